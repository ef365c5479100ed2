"""The camera's settings: environment only, prefix `CAMERA_`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from camera_uploader.sources.spec import SourceSpec
from pinhole.contract.cid import MAX_BLOCK_BYTES
from pinhole.contract.event import source_of
from pinhole.contract.ids import Name
from pinhole.runtime.settings import ProcessSettings, service_config


class Oversize(StrEnum):
    """What happens to a picture that is larger than one block."""

    REFUSE = "refuse"
    REENCODE = "reencode"


class AfterTaking(StrEnum):
    """What happens to a file of a watched directory once it was taken or refused."""

    KEEP = "keep"
    MOVE = "move"


class FileTime(StrEnum):
    """Which instant counts as the capture of a file in a watched directory."""

    MODIFIED = "modified"
    TAKEN = "taken"


class SourceSettings(ProcessSettings):
    """What the sources need to know; a part of the camera's settings."""

    model_config = service_config("CAMERA_")

    source: Annotated[SourceSpec, NoDecode] = Field(
        description=(
            "Where pictures come from: synthetic:street[?seed=1], synthetic:gate, dir:PATH, "
            "file:VIDEO, rtsp://…, usb:0. Credentials in it are never logged."
        )
    )
    fps: float = Field(
        default=2.0, gt=0, le=60, description="Frames kept per second of a live source."
    )
    width_px: int = Field(
        default=1280, ge=64, le=7680, description="Width asked of usb and synthetic sources."
    )
    height_px: int = Field(
        default=720, ge=64, le=4320, description="Height asked of usb and synthetic sources."
    )
    source_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds without a picture after which a live source is opened anew.",
    )
    file_loop: bool = Field(
        default=True, description="Whether a video file starts again at its end."
    )
    file_paced: bool = Field(
        default=True,
        description="Whether a video file plays in real time; otherwise as fast as possible.",
    )
    directory_settle_s: float = Field(
        default=1.0,
        ge=0.05,
        le=3600,
        description="Seconds without a change after which a file that was not closed is complete.",
    )
    directory_incomplete_s: float = Field(
        default=10.0,
        ge=0.05,
        le=86_400,
        description="Seconds without a change after which a picture without its end is refused.",
    )
    directory_rescan_s: float = Field(
        default=5.0,
        ge=0.1,
        le=3600,
        description="Seconds between full scans, for changes that inotify does not tell (NFS).",
    )
    directory_after: AfterTaking = Field(
        default=AfterTaking.KEEP,
        description="keep: files stay untouched; move: into taken/ and refused/ beside them.",
    )
    directory_time: FileTime = Field(
        default=FileTime.MODIFIED,
        description="modified: a file's mtime is its capture; taken: the instant it was read.",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _source_is_read(cls, value: object) -> object:
        return SourceSpec.parse(value) if isinstance(value, str) else value


class CameraSettings(SourceSettings):
    """Everything a camera can be told."""

    site: Name = Field(description="The site's name, a DNS label.")
    name: Name = Field(description="The camera's name within its site, a DNS label.")
    hub_url: str = Field(
        default="http://127.0.0.1:8080",
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        description="Address of the dashboard that receives events, without /api.",
    )
    hub_ca_file: Path | None = Field(
        default=None, description="Certificates trusted for an https hub instead of the system's."
    )
    hub_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Seconds to wait for the hub's answer."
    )
    hub_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Multiaddresses (/ip4/…/tcp/…/p2p/…) of the hub's Kubo, separated by commas.",
    )
    kubo_rpc_url: str = Field(
        default="http://127.0.0.1:5001",
        pattern=r"^https?://[^/?#@\s]+/?$",
        description="Address of the RPC of the Kubo node beside the camera.",
    )
    kubo_rpc_token: SecretStr | None = Field(
        default=None, description="Bearer token of that RPC, where it asks for one."
    )
    kubo_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Seconds to wait for the Kubo node."
    )
    spool_dir: Path = Field(
        default=Path("spool"), description="Directory of the spool, made where it is missing."
    )
    key_file: Path | None = Field(
        default=None,
        description="The signing key (whsk_…), made on the first start; its public half beside it "
        "as .pub. Unset: camera.key in the spool's directory.",
    )
    jpeg_quality: int = Field(
        default=90, ge=1, le=100, description="JPEG quality of frames that come as pixels."
    )
    oversize: Oversize = Field(
        default=Oversize.REFUSE,
        description=f"What to do with a picture over {MAX_BLOCK_BYTES} bytes: refuse or reencode.",
    )
    queue_frames: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="Encoded frames that may wait in memory for the Kubo node.",
    )
    batch_events: int = Field(
        default=500, ge=1, le=500, description="Events in one delivery when behind."
    )
    retry_max_s: float = Field(
        default=30.0, gt=0, le=3600, description="Longest pause between two tries at the hub."
    )
    heartbeat_s: float = Field(
        default=15.0, ge=0.1, le=3600, description="Seconds between two heartbeats."
    )
    links_s: float = Field(
        default=15.0, ge=0.1, le=3600, description="Seconds between two dials of hub_addresses."
    )
    health_host: str = Field(
        default="127.0.0.1", description="Address that /healthz and /metrics listen on."
    )
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="TCP port of /healthz and /metrics; 0 takes a free one, unset opens none.",
    )

    @field_validator("hub_addresses", mode="before")
    @classmethod
    def _addresses_are_listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Return this process's settings; raises `BadSettings`."""
        return cls.load()

    @property
    def event_source(self) -> str:
        """The `source` of this camera's events."""
        return source_of(self.site, self.name)

    @property
    def signing_key_file(self) -> Path:
        """Where the private key is."""
        return self.key_file or self.spool_dir / "camera.key"
