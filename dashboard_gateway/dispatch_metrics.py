"""What is counted of the dispatching."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pinhole.runtime.metrics import LATENCY_BUCKETS_S

STEP_SECONDS: Final = Histogram(
    "pinhole_journey_step_seconds",
    "Time of one step of one frame's journey: wait (receipt to claim), pin, infer, record.",
    ["step"],
    buckets=LATENCY_BUCKETS_S,
)
JOURNEYS: Final = Counter(
    "pinhole_journeys_total",
    "Journeys, by how they went: done, ended, later, no_room, outage, failed.",
    ["outcome"],
)
JOBS: Final = Gauge("pinhole_queue_jobs", "Jobs by entry point and state.", ["entrypoint", "state"])
OLDEST_JOB_SECONDS: Final = Gauge(
    "pinhole_queue_oldest_due_seconds", "Age of the oldest job that is due and not taken."
)
FRAMES: Final = Gauge(
    "pinhole_frames_unsettled", "Frames that are not at the end of their way, by state.", ["state"]
)
