"""The dashboard's settings: environment variables that begin with `DASHBOARD_`."""

from datetime import timedelta

from pydantic import Field, IPvAnyNetwork, SecretStr

from pinhole.contract.cid import MAX_BLOCK_BYTES
from pinhole.runtime.settings import ServiceSettings, service_config


class DashboardSettings(ServiceSettings):
    """Where its neighbours are, how much it takes in at once, and how long it waits."""

    model_config = service_config("DASHBOARD_")

    port: int = Field(
        default=8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one."
    )
    postgres_dsn: SecretStr = Field(
        description="PostgreSQL, `postgresql://user:password@host/database`."
    )
    postgres_connections: int = Field(
        default=12, ge=4, le=200, description="Most connections one process opens to PostgreSQL."
    )
    pinning_url: str = Field(
        default="http://127.0.0.1:8081", description="The pinning service's address."
    )
    pinning_token: SecretStr | None = Field(
        default=None, description="Token with the scopes pins:service and blocks:write."
    )
    yolo_url: str = Field(default="http://127.0.0.1:8082", description="The detector's address.")
    yolo_token: SecretStr | None = Field(
        default=None, description="Token with the scope inference."
    )
    hub_gateway_url: str = Field(
        default="http://127.0.0.1:8181",
        description="The hub's trustless gateway, on a private address.",
    )

    # Receiving.
    max_delivery_bytes: int = Field(
        default=2**20,
        ge=4096,
        le=2**26,
        description="Largest webhook body; 500 events with full attributes take 0.9 MB.",
    )
    commit_queue_events: int = Field(
        default=5_000,
        ge=1,
        le=1_000_000,
        description="Events that may wait for their commit; beyond it senders get 429.",
    )
    commit_timeout_s: float = Field(
        default=10, gt=0, le=300, description="Longest that PostgreSQL may take for one commit."
    )
    plausible_age_days: int = Field(
        default=30,
        ge=1,
        le=36_500,
        description="Captures that claim to be older are stored under the time they came.",
    )
    max_block_bytes: int = Field(
        default=MAX_BLOCK_BYTES,
        ge=1,
        le=MAX_BLOCK_BYTES,
        description="Largest frame that a camera may push.",
    )
    relays_at_once: int = Field(
        default=16, ge=1, le=1024, description="Pushed frames that are in memory at once."
    )

    # Dispatching.
    jobs_at_once: int = Field(
        default=64, ge=4, le=4096, description="Jobs that one dispatcher has in hand at once."
    )
    job_stale_after_s: float = Field(
        default=4,
        ge=1,
        le=600,
        description="A job whose dispatcher gave no sign for this long is taken by another.",
    )
    pin_wait_s: float = Field(
        default=3, gt=0, le=60, description="How long one call to pinning waits for the bytes."
    )
    pin_attempts: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="Attempts to get a frame's bytes before only a push or a person can help.",
    )
    inference_batch: int = Field(
        default=16, ge=1, le=64, description="Frames in one call to the detector."
    )
    inference_timeout_s: float = Field(
        default=60, gt=0, le=600, description="How long one call to the detector may take."
    )
    inference_attempts: int = Field(
        default=6, ge=1, le=100, description="Attempts to analyse a frame before it is `failed`."
    )
    analysing_at_once: int = Field(
        default=128,
        ge=1,
        le=100_000,
        description="Frames of one dispatcher that may wait for the detector; the rest wait in "
        "PostgreSQL, so that pinning never waits behind inference.",
    )
    stalls_after_s: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Health turns red when work waits and nothing was done for this long.",
    )

    # Showing.
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description="Address under which browsers reach the dashboard, without a path. With "
        "https:// the session's cookie is Secure.",
    )
    picture_max_age_s: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="Seconds for which a browser may show a picture again without asking.",
    )
    picture_cache_bytes: int = Field(
        default=256 * 2**20,
        ge=0,
        le=2**40,
        description="Memory for verified pictures, in each worker.",
    )
    picture_timeout_s: float = Field(
        default=5, gt=0, le=60, description="How long the hub's gateway may take for one block."
    )
    hub_connections: int = Field(
        default=16, ge=1, le=1024, description="Blocks asked of the hub's gateway at once."
    )
    upload_bytes: int = Field(
        default=5_242_880,
        ge=1,
        le=2**30,
        description="Largest picture of several blocks that is put together to be shown.",
    )
    thumbnail_cache_bytes: int = Field(
        default=64 * 2**20, ge=0, le=2**40, description="Memory for thumbnails, in each worker."
    )
    thumbnail_pixels: int = Field(
        default=50_000_000,
        ge=1,
        le=2**30,
        description="Pictures with more pixels get no thumbnail (they are not decoded).",
    )
    thumbnail_threads: int = Field(
        default=2, ge=1, le=64, description="Thumbnails made at once, in each worker."
    )
    session_days: float = Field(
        default=14, gt=0, le=366, description="Days after which a user logs in again."
    )
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default=[],
        description="Networks of reverse proxies whose X-Forwarded-For is believed, as JSON.",
    )
    silent_after_s: float = Field(
        default=60,
        gt=0,
        le=86_400,
        description="The wall calls a camera silent when nothing came from it for this long.",
    )
    live_interval_s: float = Field(
        default=0.2,
        ge=0,
        le=60,
        description="Least time between two live updates; what came meanwhile goes as one.",
    )
    live_streams: int = Field(
        default=500, ge=1, le=100_000, description="Open live streams, in each worker."
    )

    @property
    def plausible_age(self) -> timedelta:
        """How far back a capture's time may lie and be believed."""
        return timedelta(days=self.plausible_age_days)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the dashboard through HTTPS only."""
        return self.public_url is not None and self.public_url.startswith("https://")

    @property
    def picture_cache_control(self) -> str:
        """What a picture's answer allows caches: only the viewer's own, and for a while."""
        return f"private, max-age={self.picture_max_age_s}"

    @property
    def session_lifetime(self) -> timedelta:
        """How long a log-in lasts."""
        return timedelta(days=self.session_days)
