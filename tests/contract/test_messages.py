"""The golden form of every message between services, and its size."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from pinhole.contract.detection import (
    Detection,
    InferenceAnswer,
    InferenceBatchAnswer,
    InferenceBatchRequest,
    InferenceRequest,
)
from pinhole.contract.dry_runs import DryRunRequest
from pinhole.contract.errors import ErrorBody, TooLarge
from pinhole.contract.holds import HoldRequest
from pinhole.contract.message import Message
from pinhole.contract.pins import (
    BatchPinRequest,
    BatchPinResults,
    BlockStored,
    Origin,
    PatchMetaRequest,
    PatchMetaResults,
    PinResults,
    PinStatus,
    SeenRequest,
    SeenResult,
)
from pinhole.contract.receipt import Receipt
from pinhole.contract.results import Result

GOLDEN = Path(__file__).with_name("golden")
MESSAGES: dict[str, type[BaseModel]] = {
    "inference-request": InferenceRequest,
    "inference-answer": InferenceAnswer,
    "inference-batch-request": InferenceBatchRequest,
    "inference-batch-answer": InferenceBatchAnswer,
    "pins-batch-request": BatchPinRequest,
    "pins-batch-results": BatchPinResults,
    "pins-meta-request": PatchMetaRequest,
    "pins-meta-results": PatchMetaResults,
    "pins-seen-request": SeenRequest,
    "pins-seen-result": SeenResult,
    "policies-dry-run-request": DryRunRequest,
    "hold-request": HoldRequest,
    "pin-status": PinStatus,
    "pin-results": PinResults,
    "block-stored": BlockStored,
    "origin": Origin,
    "receipt": Receipt,
    "result": Result,
    "error": ErrorBody,
    "error-clock-skew": ErrorBody,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_each_golden_message_is_read_and_written_the_same(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_text()
    message = MESSAGES[name].model_validate_json(golden)
    written = json.loads(message.model_dump_json(exclude_none=True, exclude_unset=True))
    assert written == json.loads(golden)


def test_every_golden_file_is_tested() -> None:
    files = {path.stem for path in GOLDEN.glob("*.json") if not path.stem.startswith("event-")}
    assert files == set(MESSAGES)


def test_an_answer_with_five_boxes_is_at_most_1_kilobyte() -> None:
    golden = json.loads((GOLDEN / "inference-answer.json").read_text())
    box = Detection(
        xyxy_px=(1234.56, 1034.56, 1834.56, 1077.77),
        confidence=0.98765,
        class_id=6,
        class_name="license_plate",
    )
    answer = InferenceAnswer.model_validate({**golden, "detections": [box] * 5})
    assert len(answer.wire()) <= 1024


def test_an_unknown_field_is_an_error_not_silence() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        InferenceRequest.model_validate({"image": "aGVsbG8=", "surprise": 1})
    assert issubclass(InferenceRequest, Message)


@pytest.mark.parametrize("name", ["receipt", "block-stored", "error"])
def test_an_older_camera_understands_the_answers_of_a_later_hub(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_text()
    later = json.loads(golden, object_hook=lambda entry: {**entry, "moon_phase": "full"})
    # What maps streams to numbers has no fields of its own.
    later.get("pinned_through", {}).pop("moon_phase", None)
    assert later["moon_phase"] == "full"
    assert MESSAGES[name].model_validate(later) == MESSAGES[name].model_validate_json(golden)


def test_a_request_has_exactly_one_picture() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        InferenceRequest()


def test_an_error_is_a_word_and_a_sentence() -> None:
    body = ErrorBody.of(TooLarge("the body has 6000000 bytes, the limit is 5000000"))
    assert body.wire() == (
        b'{"error":{"reason":"TOO_LARGE","details":"the body has 6000000 bytes, '
        b'the limit is 5000000"}}'
    )
