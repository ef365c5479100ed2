"""What is counted of the receiving: rates, waiting, time to commit."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pinhole.runtime.metrics import LATENCY_BUCKETS_S

EVENTS: Final = Counter(
    "pinhole_ingest_events_total",
    "Events received, by what became of them: accepted, duplicate, rejected.",
    ["outcome"],
)
# Looking a label up takes longer than counting.
ACCEPTED: Final = EVENTS.labels("accepted")
DUPLICATES: Final = EVENTS.labels("duplicate")
REJECTED: Final = Counter(
    "pinhole_ingest_rejected_total", "Events that were not kept, by reason.", ["reason"]
)
REFUSED: Final = Counter(
    "pinhole_ingest_refused_total",
    "Deliveries of which nothing was looked at, by reason.",
    ["reason"],
)
WAITING_EVENTS: Final = Gauge("pinhole_ingest_waiting_events", "Events that wait for their commit.")
COMMIT_SECONDS: Final = Histogram(
    "pinhole_ingest_commit_seconds",
    "Time of one group's transaction, commit included.",
    buckets=LATENCY_BUCKETS_S,
)
COMMIT_EVENTS: Final = Histogram(
    "pinhole_ingest_commit_events",
    "Events in one group.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
PUSHED_BYTES: Final = Counter("pinhole_ingest_pushed_bytes_total", "Bytes that cameras pushed.")
