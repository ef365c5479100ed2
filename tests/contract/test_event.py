"""Camera events: their golden form, their limits, their canonical form."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pinhole.contract.cid import Cid
from pinhole.contract.event import (
    FrameCaptured,
    FrameData,
    MalformedEvent,
    as_sent,
    camera_of,
    canonical,
    digest,
    parse_event,
    source_of,
)

GOLDEN = Path(__file__).with_name("golden")
STREAM = UUID("01980000-0000-7000-8000-000000000001")

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    # A float of 2^53 or more is written without a fraction and read again as too large an integer.
    | st.floats(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def captured(**changes: Any) -> dict[str, Any]:
    event = FrameCaptured(
        id=UUID("01980000-0000-7000-8000-00000000000a"),
        source=source_of("harbour", "gate-a"),
        time=datetime(2026, 1, 31, 12, 0, 0, 123000, UTC),
        subject=Cid.of(b"frame"),
        data=FrameData(stream=STREAM, seq=1, size_bytes=5, width_px=1920, height_px=1080),
    )
    sent = as_sent(event)
    data = changes.pop("data", {})
    return {**sent, **changes, "data": {**sent["data"], **data}}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("event-*.json")), ids=lambda path: path.stem)
def test_each_golden_event_is_read_and_written_the_same(path: Path) -> None:
    golden = json.loads(path.read_text())
    assert as_sent(parse_event(golden)) == golden


def test_there_is_a_golden_event_of_each_type() -> None:
    types = {json.loads(path.read_text())["type"] for path in GOLDEN.glob("event-*.json")}
    assert types == {
        "pinhole.frame.captured.v1",
        "pinhole.camera.status.v1",
        "pinhole.frame.lost.v1",
        "pinhole.frame.erased.v1",
    }


def test_the_digest_of_the_golden_event_has_not_changed() -> None:
    golden = json.loads((GOLDEN / "event-captured.json").read_text())
    # A change here breaks every chain in the field: it needs a new event type.
    assert digest(golden).hex() == (GOLDEN / "event-captured.sha256").read_text().strip()


def test_an_event_without_attributes_is_at_most_700_bytes() -> None:
    longest = captured(
        source=source_of("s" * 63, "c" * 63),
        data={
            "seq": 2**53 - 1,
            "prev": "f" * 64,
            "size_bytes": 2_096_896,
            "width_px": 65_535,
            "height_px": 65_535,
            "clock_offset_ms": -99_999_999,
        },
    )
    parse_event(longest)
    assert len(json.dumps(longest, separators=(",", ":"))) <= 700


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES, max_size=5))
def test_the_canonical_form_is_what_the_reference_library_writes(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES, max_size=5))
def test_the_canonical_form_depends_on_the_value_alone(value: dict[str, Any]) -> None:
    shuffled = dict(reversed(value.items()))
    spaced = json.loads(json.dumps(value, indent=3, ensure_ascii=False))
    assert canonical(value) == canonical(shuffled) == canonical(spaced)
    assert canonical(json.loads(canonical(value))) == canonical(value)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"type": "pinhole.frame.imagined.v1"}, "MALFORMED_EVENT", "type"),
        ({"specversion": "0.3"}, "MALFORMED_EVENT", "specversion"),
        ({"source": "/sites/../cameras/x"}, "MALFORMED_EVENT", "source"),
        ({"source": "/sites/a/cameras/B"}, "MALFORMED_EVENT", "source"),
        ({"subject": "QmNonsense"}, "CID_MALFORMED", "subject"),
        ({"time": "2026-01-31T12:00:00"}, "MALFORMED_EVENT", "time"),
        ({"image": "aGVsbG8="}, "MALFORMED_EVENT", "image"),
        ({"data": {"seq": 0}}, "MALFORMED_EVENT", "seq"),
        ({"data": {"seq": "1"}}, "MALFORMED_EVENT", "seq"),
        ({"data": {"seq": 2}}, "MALFORMED_EVENT", "prev is absent for seq 1"),
        ({"data": {"stream": None}}, "MALFORMED_EVENT", "come together"),
        ({"data": {"size_bytes": 2_096_897}}, "MALFORMED_EVENT", "size_bytes"),
        ({"data": {"media_type": "text/html"}}, "MALFORMED_EVENT", "media_type"),
        ({"data": {"attributes": {"plate": "x" * 1100}}}, "MALFORMED_EVENT", "limit is 1024"),
    ],
)
def test_a_malformed_event_is_refused_with_the_field_at_fault(
    changes: dict[str, Any], reason: str, words: str
) -> None:
    with pytest.raises(MalformedEvent) as refused:
        parse_event(captured(**changes))
    assert refused.value.reason == reason
    assert words in refused.value.details


@pytest.mark.parametrize("value", [None, [], "event", 7, {}, {"type": []}])
def test_json_that_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(MalformedEvent):
        parse_event(value)


def test_a_lone_surrogate_has_no_canonical_form_and_is_refused() -> None:
    with pytest.raises(MalformedEvent):
        canonical(captured(data={"attributes": {"plate": "\ud800"}}))


def test_the_source_names_site_and_camera() -> None:
    assert camera_of(source_of("harbour", "gate-a")) == ("harbour", "gate-a")
