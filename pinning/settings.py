"""Settings of the pinning service: environment variables that start with `PINNING_`."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from pinhole.contract.cid import MAX_BLOCK_BYTES
from pinhole.runtime.settings import ServiceSettings, service_config
from pinning.reconciling.nightly import Nightly
from pinning.retention.dry_runs import Caution
from pinning.room import Limits

Network = IPv4Network | IPv6Network


class StoreKind(StrEnum):
    """Where pushed bytes are stored."""

    KUBO = "kubo"
    TREE = "tree"


# Loopback, RFC 1918 and RFC 4193: where VPNs live. Link-local is left out (cloud metadata).
PRIVATE_NETWORKS: Final = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7"


def _split(text: str | Sequence[object]) -> Sequence[object]:
    if not isinstance(text, str):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_split)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class PinningSettings(ServiceSettings):
    """What the pinning service is told by its environment."""

    model_config = service_config("PINNING_")

    port: int = Field(default=8081, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    postgres_dsn: SecretStr = Field(description="PostgreSQL, `postgresql://…`.")
    postgres_connections: int = Field(
        default=12, ge=4, le=200, description="Most connections to PostgreSQL, per process."
    )
    kubo_rpc_url: str = Field(
        default="http://127.0.0.1:5101", description="The hub's Kubo RPC, without `/api/v0`."
    )
    kubo_rpc_token: SecretStr | None = Field(
        default=None, description="Bearer token of the hub's Kubo RPC."
    )
    kubo_gateway_url: str = Field(
        default="http://127.0.0.1:8181",
        description="The hub's own gateway: never accepted as a camera's origin.",
    )
    kubo_timeout_s: float = Field(
        default=10, gt=0, le=300, description="Seconds that one call to the hub's Kubo may take."
    )
    allowed_networks: Networks = Field(
        default=tuple(_split(PRIVATE_NETWORKS)),
        validate_default=True,
        description="Networks, comma-separated, that may be dialled for blocks.",
    )
    delegates: Words = Field(
        default=(),
        description="Multiaddresses of the hub told to clients; asked of Kubo where empty.",
    )
    store: StoreKind = Field(
        default=StoreKind.KUBO,
        description="Where pushed bytes go: `kubo`, or `tree`, files in the layout of existing"
        " stores (`{h0:2}/{h2:4}/{hash}.jpg`).",
    )
    tree_dir: Path | None = Field(
        default=None,
        validate_default=True,
        description="Root of that file tree; also to read and clear it after a move to `kubo`.",
    )
    max_upload_bytes: int = Field(
        default=5_000_000, ge=1, le=2**30, description="Largest body of POST /api/v1/blocks, bytes."
    )
    upload_timeout_s: float = Field(
        default=30, gt=0, le=600, description="Seconds that such a body may take to come."
    )
    max_pin_bytes: int = Field(
        default=100_000_000,
        ge=MAX_BLOCK_BYTES,
        description="Largest tree fetched for an outside client's pin, bytes.",
    )
    unclaimed_hours: float = Field(
        default=24, gt=0, description="Hours that pushed bytes are kept before a pin claims them."
    )
    fetches: int = Field(
        default=64, ge=1, le=1024, description="Blocks in memory at once, over all origins."
    )
    fetches_per_origin: int = Field(
        default=8, ge=1, le=64, description="Requests to one origin at once."
    )
    fetch_timeout_s: float = Field(
        default=10, gt=0, le=300, description="Seconds that an origin may take for one block."
    )
    connect_timeout_s: float = Field(
        default=2, gt=0, le=60, description="Seconds that connecting to an origin may take."
    )
    bitswap_fallback: bool = Field(
        default=True,
        description="Whether a camera whose gateway does not answer is asked over bitswap.",
    )
    bitswap_timeout_s: float = Field(
        default=10, gt=0, le=300, description="Seconds that a block may take over bitswap."
    )
    bitswap_fetches: int = Field(
        default=8, ge=1, le=256, description="Blocks asked for over bitswap at once."
    )
    keep_batch: int = Field(
        default=32, ge=1, le=256, description="Most blocks pinned in one call to Kubo."
    )
    quota_bytes: int | None = Field(
        default=None, ge=1, description="Largest size of the hub's store; not set: the disk's."
    )
    min_free_bytes: int = Field(
        default=1_000_000_000, ge=0, description="Bytes that stay free on the hub's disk."
    )
    headroom_bytes: int = Field(
        default=2_000_000_000,
        ge=0,
        description="Room before either limit below which expendable things are released early.",
    )
    expendable_days: float = Field(
        default=7,
        ge=0,
        le=365,
        description="Days before its end that a pin may go where room is short; 0: none does.",
    )
    expire_every_s: float = Field(
        default=30, gt=0, le=3600, description="Seconds between looks for unclaimed bytes to drop."
    )
    release_every_s: float = Field(
        default=0.5, gt=0, le=60, description="Seconds between looks for blocks to remove."
    )
    reconcile_hour: int = Field(
        default=3, ge=-1, le=23, description="Hour, UTC, of the nightly reconciliation; -1: never."
    )
    reconcile_repair: bool = Field(
        default=True, description="Whether the nightly reconciliation repairs what it can."
    )
    reconcile_max_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the held blocks that may differ; beyond it nothing is touched.",
    )
    reconcile_sample_blocks: int = Field(
        default=1000, ge=0, description="Random blocks whose bytes are hashed each night."
    )
    orphan_grace_hours: float = Field(
        default=1, ge=0, description="Hours that an orphan has to be known before it is removed."
    )
    policies_every_s: float = Field(
        default=600, gt=0, le=86_400, description="Seconds between looks for what is over."
    )
    policy_most_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of what is held, in pins or bytes, that one policy may remove without"
        " being confirmed by name.",
    )
    dry_run_tolerance: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share by which counts may differ between a dry run and its application.",
    )
    dry_run_hours: float = Field(
        default=24, gt=0, le=720, description="Hours that a dry run may be applied."
    )
    plausible_age_days: int = Field(
        default=30,
        ge=1,
        le=36_500,
        description="Captures that claim to be older when they come are aged by their arrival.",
    )
    max_attempts: int = Field(
        default=10, ge=1, le=100, description="Attempts before a pin is `failed`."
    )
    retry_first_s: float = Field(
        default=0.5, gt=0, description="Seconds before the second attempt; doubled each time."
    )
    retry_longest_s: float = Field(
        default=60, gt=0, description="Most seconds between two attempts."
    )
    max_wait_s: float = Field(
        default=60, ge=0, le=600, description="Largest `wait_s` of POST /pins/batch, seconds."
    )

    @field_validator("tree_dir")
    @classmethod
    def _is_named_for_a_tree(cls, tree_dir: Path | None, info: ValidationInfo) -> Path | None:
        if tree_dir is None and info.data.get("store") is StoreKind.TREE:
            raise ValueError("has to say where the file tree is, for PINNING_STORE=tree")
        return tree_dir

    @property
    def lease(self) -> timedelta:
        """How long a worker has a pin to itself: longer than any attempt takes."""
        longest_s = self.fetch_timeout_s + self.bitswap_timeout_s + 2 * self.kubo_timeout_s
        return timedelta(seconds=longest_s)

    @property
    def limits(self) -> Limits:
        """What the hub may fill."""
        return Limits(self.quota_bytes, self.min_free_bytes, self.headroom_bytes)

    @property
    def nightly(self) -> Nightly:
        """What is reconciled every night."""
        return Nightly(
            hour=self.reconcile_hour if self.reconcile_hour >= 0 else None,
            repair=self.reconcile_repair,
            max_share=self.reconcile_max_share,
            sample_blocks=self.reconcile_sample_blocks,
            orphan_grace=timedelta(hours=self.orphan_grace_hours),
        )

    @property
    def caution(self) -> Caution:
        """What keeps policies from removing more than was meant."""
        return Caution(
            most_share=self.policy_most_share,
            tolerance=self.dry_run_tolerance,
            valid_for=timedelta(hours=self.dry_run_hours),
            plausible_days=self.plausible_age_days,
        )

    @property
    def expendable_within(self) -> timedelta:
        """How long before its end a pin may go where room is short."""
        return timedelta(days=self.expendable_days)

    @property
    def unclaimed_for(self) -> timedelta:
        """How long pushed bytes are kept before a pin claims them."""
        return timedelta(hours=self.unclaimed_hours)
