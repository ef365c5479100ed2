"""What Prometheus sees of pinning."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pinhole.contract.pins import Status
from pinhole.contract.reconciliation import Difference, FindingState, Reconciliation, RunState
from pinhole.runtime.metrics import LATENCY_BUCKETS_S
from pinhole.runtime.postgres import Pool

HUB_UP: Final = Gauge("pinhole_pinning_hub_up", "Whether the hub's Kubo answered last.")
ATTEMPTS: Final = Counter(
    "pinhole_pinning_attempts_total",
    "Attempts at wants by how they ended: pinned, or the reason why not.",
    ["outcome"],
)
FETCHED_BYTES: Final = Counter(
    "pinhole_pinning_fetched_bytes_total", "Bytes that came, by how they came.", ["source"]
)
FETCH_SECONDS: Final = Histogram(
    "pinhole_pinning_fetch_seconds",
    "Time to get verified bytes from their owner, by how they came.",
    ["source"],
    buckets=LATENCY_BUCKETS_S,
)
KEEP_SECONDS: Final = Histogram(
    "pinhole_pinning_keep_seconds",
    "Time from verified bytes to put, pinned and committed, waiting for the batch included.",
    buckets=LATENCY_BUCKETS_S,
)
KEEP_BATCH: Final = Histogram(
    "pinhole_pinning_keep_batch_blocks",
    "Blocks that one transaction kept.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
RELEASED: Final = Counter("pinhole_pinning_released_total", "Blocks removed from the hub.")
STORE_BYTES: Final = Gauge("pinhole_pinning_store_bytes", "Size of the hub's store, as it says.")
ROOM_BYTES: Final = Gauge(
    "pinhole_pinning_room_bytes", "Bytes until the hub's quota or disk is full, the nearer one."
)
PRESSURE: Final = Gauge(
    "pinhole_pinning_pressure", "1 at the level that the hub is at: room, tight or full.", ["level"]
)
RELEASED_EARLY_BYTES: Final = Counter(
    "pinhole_pinning_released_early_bytes_total", "Bytes let go before their time to make room."
)
PINS: Final = Gauge("pinhole_pinning_pins", "Pins that are not pinned, by status.", ["status"])
RELEASING: Final = Gauge("pinhole_pinning_releasing", "Blocks that wait for their removal.")
TREES: Final = Gauge(
    "pinhole_pinning_recursive_pins",
    "Trees, pinned recursively: each makes every removal slower (34 ms a block at 1,000).",
)
OLDEST_S: Final = Gauge(
    "pinhole_pinning_oldest_unsettled_seconds", "Age of the oldest pin that is not settled."
)

DIFFERENCES: Final = Gauge(
    "pinhole_pinning_differences",
    "What the last reconciliation found, by kind and by what became of it.",
    ["kind", "state"],
)
RECONCILED_AT: Final = Gauge(
    "pinhole_pinning_reconciled_timestamp_seconds", "When the last reconciliation ended well."
)
RECONCILE_REFUSED: Final = Gauge(
    "pinhole_pinning_reconcile_refused",
    "1 where the last reconciliation found more different than may be.",
)


def measure_run(newest: Reconciliation | None) -> None:
    """Set the gauges from the newest run, if it is over."""
    if newest is None or not newest.is_over:
        return
    RECONCILE_REFUSED.set(newest.state is RunState.REFUSED)
    if newest.state is RunState.DONE and newest.finished_at is not None:
        RECONCILED_AT.set(newest.finished_at.timestamp())
    for kind in Difference:
        for state in FindingState:
            DIFFERENCES.labels(kind, state).set(newest.counts.get(kind, {}).get(state, 0))


# Small partial indexes answer these; the millions that are pinned are not counted.
UNSETTLED = """
    SELECT status, count(*) FROM pinning.pins WHERE status <> 'pinned' GROUP BY status
"""
REST = """
    SELECT (SELECT count(*) FROM pinning.blocks WHERE state = 'releasing') AS releasing,
           (SELECT count(*) FROM pinning.blocks WHERE is_tree) AS trees,
           (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
            FROM pinning.pins WHERE next_attempt_at IS NOT NULL) AS oldest_s
"""


async def measure(pool: Pool) -> None:
    """Set the gauges from the tables."""
    counts = {row["status"]: row["count"] for row in await pool.fetch(UNSETTLED)}
    for status in (Status.QUEUED, Status.PINNING, Status.FAILED):
        PINS.labels(status).set(counts.get(status, 0))
    rest = await pool.fetchrow(REST)
    if rest is not None:
        RELEASING.set(rest["releasing"])
        TREES.set(rest["trees"])
        OLDEST_S.set(rest["oldest_s"])
