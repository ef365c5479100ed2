import pytest

from dashboard_gateway.ranges import Unsatisfiable, etag_matches, parse_range

ETAG = '"bafk"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=90-", (90, 99)),
        ("bytes=90-1000", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
    ],
)
def test_a_single_range_is_cut_to_the_body(header: str, expected: tuple[int, int]) -> None:
    part = parse_range(header, 100)
    assert part is not None
    assert (part.first, part.last) == expected
    assert part.content_range == f"bytes {expected[0]}-{expected[1]}/100"


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"],
)
def test_what_is_no_single_range_of_bytes_is_ignored(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_without_a_byte_of_the_body_is_unsatisfiable(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


@pytest.mark.parametrize("header", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
def test_if_none_match_finds_the_etag(header: str) -> None:
    assert etag_matches(header, ETAG)


@pytest.mark.parametrize("header", [None, "", '"bafk2"', "bafk"])
def test_if_none_match_of_something_else_does_not(header: str | None) -> None:
    assert not etag_matches(header, ETAG)
