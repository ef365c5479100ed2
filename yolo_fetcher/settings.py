"""The detector's settings: environment variables that begin with `YOLO_`."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from pinhole.contract.detection import MAX_BATCH_IMAGES
from pinhole.runtime.settings import ServiceSettings, service_config
from yolo_fetcher.detector import Precision


class Backend(StrEnum):
    """The library that runs the models."""

    ULTRALYTICS = "ultralytics"
    OPENVINO = "openvino"


class YoloSettings(ServiceSettings):
    """Everything that can be set about the detector."""

    model_config = service_config("YOLO_")

    port: int = Field(default=8082, ge=0, le=65535, description="TCP port; 0 takes a free one.")

    backend: Backend = Field(
        default=Backend.ULTRALYTICS,
        description="Library that runs the models; `openvino` needs no torch and is faster.",
    )
    models_dir: Path = Field(
        default=Path("models"), description="Directory of exported models (`*_openvino_model/`)."
    )
    model: str = Field(
        default="pinhole-demo",
        min_length=1,
        description="Name or digest of the model used where a request names none.",
    )
    max_loaded_models: int = Field(
        default=2, ge=1, le=16, description="Models kept in memory; the longest unused one goes."
    )
    device: str = Field(
        default="cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Device of the ultralytics backend: `cpu`, or `cuda:0` with a model imported as"
        " ONNX and the package onnxruntime-gpu.",
    )
    precision: Precision = Field(
        default=Precision.F32,
        description="Arithmetic on the processor: `f32` gives the same boxes everywhere, `native`"
        " (bf16 on recent x86) is 1.6 times as fast and moves boxes by up to 3 px of 1080p.",
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="Cores for inference (openvino); 0 takes all."
    )

    tokens_file: Path = Field(description="JSON file of the hashes of tokens that may ask.")
    hub_gateway_url: str = Field(
        default="http://127.0.0.1:8181", description="The hub's trustless gateway, read by CID."
    )
    fetch_timeout_s: float = Field(
        default=5, gt=0, le=60, description="Seconds until a fetch from the gateway is given up."
    )
    fetch_concurrency: int = Field(
        default=16, ge=1, le=256, description="Frames fetched from the gateway at once."
    )
    pinning_url: str = Field(
        default="http://127.0.0.1:8081", description="The pinning service, which stores uploads."
    )
    pinning_token: SecretStr | None = Field(
        default=None,
        description="Token for the pinning service (`blocks:write`, `pins:service`); without one"
        " uploads are answered and not stored.",
    )
    storage_timeout_s: float = Field(
        default=10, gt=0, le=60, description="Seconds until storing an upload is given up."
    )

    max_upload_bytes: int = Field(
        default=5_000_000, ge=1, le=100_000_000, description="Largest picture in bytes."
    )
    max_pixels: int = Field(
        default=40_000_000,
        ge=1,
        le=1_000_000_000,
        description="Largest picture in pixels, read from its header before it is decoded"
        " (an 8K frame has 33 million).",
    )
    decode_threads: int = Field(
        default=0, ge=0, le=64, description="Threads that decode pictures; 0 takes one a core."
    )
    queue_pictures: int = Field(
        default=2 * MAX_BATCH_IMAGES,
        ge=MAX_BATCH_IMAGES,
        le=10_000,
        description="Pictures being worked on at once; more are refused with 429. Each needs up"
        " to its bytes and 1.2 MB.",
    )
    deadline_s: float = Field(
        default=30, gt=0, le=600, description="Seconds until a request is given up with 504."
    )
    stalls_after_s: float = Field(
        default=20,
        ge=1,
        le=600,
        description="Seconds one inference may take until /healthz turns red.",
    )
