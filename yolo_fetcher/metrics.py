"""What Prometheus reads about the detector."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pinhole.runtime.metrics import LATENCY_BUCKETS_S

STAGE_SECONDS: Final = Histogram(
    "pinhole_yolo_stage_seconds",
    "Time of one picture in a stage: fetch, decode, queue, infer, store, annotate.",
    ["stage"],
    buckets=LATENCY_BUCKETS_S,
)
PICTURES: Final = Counter(
    "pinhole_yolo_pictures_total",
    "Pictures by outcome: `detected`, or the reason of the error.",
    ["outcome"],
)
IN_HOUSE: Final = Gauge(
    "pinhole_yolo_pictures_in_house", "Pictures admitted and not answered yet.", []
)
BATCH_PICTURES: Final = Histogram(
    "pinhole_yolo_batch_pictures",
    "Pictures that one inference took from the queue.",
    buckets=(1, 2, 4, 8, 16, 32),
)
