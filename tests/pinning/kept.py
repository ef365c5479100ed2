"""Pins as if they had been kept for a while: rows written directly, and policies by name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pinhole.contract.cid import Cid
from pinhole.contract.ids import uuid7
from pinhole.contract.policies import Policy
from pinhole.runtime.postgres import Pool
from pinning.retention.dry_runs import Caution

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUTION = Caution(most_share=1, tolerance=0.1, valid_for=timedelta(hours=24), plausible_days=30)

BLOCK = """
    INSERT INTO pinning.blocks (cid, is_tree, size_bytes) VALUES ($1, false, $2)
    ON CONFLICT DO NOTHING
"""
BINDING = """
    INSERT INTO pinning.bindings (cid, owner, source, claimed_at) VALUES ($1, $2, 'origin', now())
    ON CONFLICT DO NOTHING
"""
PIN = """
    INSERT INTO pinning.pins (requestid, owner, cid, created_at, status, settled_at, size_bytes,
        site, camera, city, kind, label_status, classes, max_confidence, captured_at, completed_at,
        batch_key)
    VALUES ($1, $2, $3, $4, 'pinned', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


@dataclass
class Kept:
    """A pin to be written."""

    days: float = 0
    """How long ago it came."""
    site: str = "harbour"
    camera: str = "gate-a"
    city: str | None = None
    kind: str | None = "frame"
    label: str | None = None
    classes: Sequence[str] = ()
    confidence: float | None = None
    size_bytes: int = 1000
    captured_days: float | None = None
    completed_days: float | None = None
    cid: Cid = field(default_factory=lambda: Cid.of(os.urandom(16)))
    requestid: UUID = field(default_factory=uuid7)

    @property
    def owner(self) -> str:
        """The camera."""
        return f"camera:{self.site}/{self.camera}"


def before(days: float | None, now: datetime) -> datetime | None:
    """Return the instant so many days before."""
    return now - timedelta(days=days) if days is not None else None


async def keep(pool: Pool, *pins: Kept, now: datetime | None = None) -> list[Kept]:
    """Write pins, with their blocks and bindings, as of `now`."""
    at = now or datetime.now(UTC)
    for number, pin in enumerate(pins):
        binary = pin.cid.binary
        await pool.execute(BLOCK, binary, pin.size_bytes)
        await pool.execute(BINDING, binary, pin.owner)
        # Instants differ: they are unique for an owner.
        created_at = at - timedelta(days=pin.days, microseconds=number)
        await pool.execute(
            PIN, pin.requestid, pin.owner, binary, created_at, pin.size_bytes, pin.site,
            pin.camera, pin.city, pin.kind, pin.label, list(pin.classes), pin.confidence,
            before(pin.captured_days, at), before(pin.completed_days, at), str(pin.requestid),
        )  # fmt: skip
    return list(pins)


def policy(name: str, keep: dict[str, Any], priority: int = 100, **where: Any) -> Policy:
    """Return a policy; `age_by` may stand among the words of its selection."""
    age_by = where.pop("age_by", "received")
    return Policy.model_validate(
        {"name": name, "priority": priority, "where": where, "keep": keep, "age_by": age_by}
    )


async def left(pool: Pool) -> set[UUID]:
    """Return the pins that are there."""
    rows = await pool.fetch("SELECT requestid FROM pinning.pins")
    return {UUID(int=row["requestid"].int) for row in rows}
