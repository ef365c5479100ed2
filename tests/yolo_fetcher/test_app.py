"""The service as a whole: who may ask, what it says about itself, how it starts and stalls."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from pinhole.contract.cid import Cid
from pinhole.contract.detection import InferenceAnswer
from pinhole.contract.errors import PinholeError
from pinhole.contract.scopes import Scope
from pinhole.runtime.tokens import mint, write_tokens
from tests.support.polling import Eventually, WaitUntil
from tests.yolo_fetcher.conftest import Client, Hold, StartYolo
from yolo_fetcher import api
from yolo_fetcher.app import make_app
from yolo_fetcher.detector import Detector, Rows
from yolo_fetcher.detectors import load
from yolo_fetcher.letterbox import Pixels
from yolo_fetcher.loaded import LoadedModels
from yolo_fetcher.models import ExportedModel
from yolo_fetcher.settings import YoloSettings

ROUTE = "/api/v1/inference"
MakeSettings = Callable[..., YoloSettings]


@pytest.mark.parametrize("backend", ["openvino", "ultralytics"])
async def test_both_backends_serve_the_same_answer(
    start_yolo: StartYolo, hold: Hold, photo: bytes, backend: str, golden: dict[str, object]
) -> None:
    yolo = await start_yolo(backend=backend)
    body = {"cid": str(await hold(photo)), "confidence": 0.2}
    answer = InferenceAnswer.model_validate(await (await yolo.post(ROUTE, json=body)).json())
    found = [(item.class_name, round(item.confidence, 2)) for item in answer.detections]
    assert found
    assert golden.setdefault("found", found) == found


@pytest.fixture(scope="module")
def golden() -> dict[str, object]:
    """What the backend that came first answered."""
    return {}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ROUTE), ("POST", f"{ROUTE}/batch"), ("GET", "/api/v1/models")],
)
async def test_every_route_needs_a_token_with_the_scope_inference(
    start_yolo: StartYolo, tokens_file: Path, method: str, path: str
) -> None:
    yolo = await start_yolo()
    other, digest = mint()
    entry = {"hash": digest.hex(), "name": "other", "scopes": [Scope.FRAMES_READ]}
    await asyncio.to_thread(write_tokens, tokens_file, [entry])
    for secret, status in ((None, 401), ("pnh_guessed", 401), (other, 403)):
        headers = {"Authorization": f"Bearer {secret}"} if secret else {"Authorization": ""}
        response = await yolo.request(method, path, headers=headers)
        assert response.status == status


async def test_models_route_tells_the_catalogue_and_what_runs(start_yolo: StartYolo) -> None:
    yolo = await start_yolo()
    answer = await (await yolo.get("/api/v1/models")).json()
    assert answer["default"] == "pinhole-demo"
    (model,) = [model for model in answer["models"] if model["name"] == "pinhole-demo"]
    assert len(model["digest"]) == 64
    assert model["classes"]["2"] == "car"
    assert (model["input_width_px"], model["input_height_px"]) == (640, 384)
    assert model["runs_on"] == "CPU f32"


async def test_model_may_be_named_or_given_by_its_digest(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    cid = str(await hold(photo))
    (model,) = (await (await yolo.get("/api/v1/models")).json())["models"]
    for wanted in ("pinhole-demo", model["digest"]):
        answer = await (await yolo.post(ROUTE, json={"cid": cid, "model": wanted})).json()
        assert answer["model"] == {"name": "pinhole-demo", "digest": model["digest"]}
    for path, body in ((ROUTE, {"cid": cid}), (f"{ROUTE}/batch", {"cids": [cid]})):
        response = await yolo.post(path, json={**body, "model": "yolo27"})
        assert response.status == 422
        assert (await response.json())["error"]["reason"] == "MODEL_UNKNOWN"


async def test_metrics_count_pictures_by_how_they_ended(
    start_yolo: StartYolo, hold: Hold, photo: bytes
) -> None:
    yolo = await start_yolo()
    await yolo.post(ROUTE, json={"cid": str(await hold(photo))})
    await yolo.post(ROUTE, json={"cid": str(Cid.of(b"held by nobody"))})
    text = await (await yolo.get("/metrics")).text()
    for line in ('outcome="detected"', 'outcome="BLOCK_MISSING"', 'stage="infer"'):
        assert line in text
    assert "pinhole_yolo_pictures_in_house 0.0" in text


class Stalling:
    """The real detector, which can be made to stand still as a hung driver would."""

    def __init__(self, detector: Detector) -> None:
        self.traits = detector.traits
        self.goes_on = threading.Event()
        self.goes_on.set()
        self._detector = detector

    def detect(self, pictures: Sequence[Pixels], confidence: float, iou: float) -> list[Rows]:
        assert self.goes_on.wait(timeout=60)
        return self._detector.detect(pictures, confidence, iou)


@pytest.fixture
async def stalling(
    start_yolo: StartYolo, make_settings: MakeSettings
) -> AsyncIterator[tuple[Client, Stalling]]:
    """Give a service with such a detector, which goes on in the end."""
    settings = make_settings(stalls_after_s=1.5, deadline_s=0.5)
    detectors: list[Stalling] = []

    def load_stalling(model: ExportedModel) -> Detector:
        detectors.append(Stalling(load(settings, model)))
        return detectors[0]

    app = make_app(settings)
    app[api.MODELS] = LoadedModels(settings.models_dir, settings.model, load_stalling, keep=1)
    yield await start_yolo(app), detectors[0]
    detectors[0].goes_on.set()


async def test_health_turns_red_when_the_model_stands_still_and_green_when_it_goes_on(
    stalling: tuple[Client, Stalling], hold: Hold, photo: bytes, eventually: Eventually
) -> None:
    yolo, detector = stalling

    async def health() -> int:
        return (await yolo.get("/healthz")).status

    assert await health() == 200
    detector.goes_on.clear()
    assert (await yolo.post(ROUTE, json={"cid": str(await hold(photo))})).status == 504
    await _eventually(eventually, health, 503)
    parts = (await (await yolo.get("/healthz")).json())["parts"]
    assert any("no progress" in state for state in parts.values())
    detector.goes_on.set()
    await _eventually(eventually, health, 200)


async def _eventually(
    eventually: Eventually, ask: Callable[[], Awaitable[int]], status: int
) -> None:
    async def is_so() -> bool:
        return await ask() == status

    predicate: Callable[[], bool | Awaitable[bool]] = is_so
    await eventually(predicate)


async def test_idle_service_stays_healthy_for_longer_than_a_stall(
    start_yolo: StartYolo, eventually: Eventually
) -> None:
    yolo = await start_yolo(stalls_after_s=1.5)
    states = []

    async def seen_for_long() -> bool:
        states.append((await yolo.get("/healthz")).status)
        return len(states) > 200

    # 200 looks, 10 ms and a request apart, are more than 2 s.
    seen: Callable[[], bool | Awaitable[bool]] = seen_for_long
    await eventually(seen, 30)
    assert set(states) == {200}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": "yolo27"}, "no model is called 'yolo27'"),
        ({"models_dir": Path("/nowhere")}, "the catalogue has: none"),
        ({"tokens_file": Path("/nowhere/tokens.json")}, "there is no file /nowhere/tokens.json"),
    ],
)
async def test_service_that_cannot_work_does_not_start_and_says_why(
    make_settings: MakeSettings, changed: dict[str, object], sentence: str
) -> None:
    runner = web.AppRunner(make_app(make_settings(**changed)))
    with pytest.raises(PinholeError, match=sentence):
        await runner.setup()
    await runner.cleanup()


def test_pt_file_in_the_models_directory_is_not_served(
    demo_model: Path, tokens_file: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(demo_model, tmp_path / demo_model.name))
    (folder / "pinhole-demo.pt").write_bytes(b"anything")
    ended = subprocess.run(
        SERVE,
        env=_environment(YOLO_TOKENS_FILE=tokens_file, YOLO_MODELS_DIR=tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "can execute code when it is loaded" in ended.stderr
    assert "no model is called 'pinhole-demo'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_missing_settings_are_named_in_one_sentence() -> None:
    ended = subprocess.run(
        SERVE, env=_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.strip() == "BAD_SETTINGS: YOLO_TOKENS_FILE: field required"


def test_service_is_configured_by_its_environment_and_ends_on_sigterm(
    demo_model: Path, tokens_file: Path, wait_until: WaitUntil, tmp_path: Path
) -> None:
    log = tmp_path / "yolo.log"
    environment = _environment(YOLO_TOKENS_FILE=tokens_file, YOLO_MODELS_DIR=demo_model.parent)
    with (
        log.open("w") as errors,
        subprocess.Popen(SERVE, env=environment, stderr=errors) as process,
    ):
        wait_until(lambda: "yolo_fetcher listens on" in log.read_text(), 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


SERVE = [sys.executable, "-m", "yolo_fetcher"]


def _environment(**added: str | Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YOLO_")}
    changed = {name: str(value) for name, value in added.items()}
    return {**kept, "YOLO_PORT": "0", "YOLO_BACKEND": "openvino", **changed}
