"""The camera's Prometheus metrics; exposed on loopback by health.py."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# From 0.5 ms to 10 s: a step of a frame takes 1 to 20 ms on small hardware, a node that collects
# garbage or an SD card that erases a page takes seconds.
_BUCKETS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

STEP_SECONDS: Final = Histogram(
    "pinhole_camera_step_seconds",
    "Time of one step of a frame: encode, put, pin, spool; send is one delivery to the hub.",
    ["step"],
    buckets=_BUCKETS_S,
)
FRAMES: Final = Counter("pinhole_camera_frames", "Frames stored, pinned and spooled.")
FRAME_BYTES: Final = Counter("pinhole_camera_frame_bytes", "Bytes of those frames.")
REFUSED: Final = Counter("pinhole_camera_refused", "Pictures not taken.", ["reason"])
DELIVERIES: Final = Counter(
    "pinhole_camera_deliveries",
    "Requests to the hub by outcome: received, unavailable, not_welcome, refused.",
    ["outcome"],
)
PUSHED: Final = Counter("pinhole_camera_blocks_pushed", "Blocks pushed because the hub asked.")
ALARMS: Final = Counter("pinhole_camera_alarms", "What should never happen, by kind.", ["kind"])
SPOOL: Final = Gauge(
    "pinhole_camera_spool_events",
    "Events in the spool by state: unsent, sent, rejected, wanted.",
    ["state"],
)
LAST_CAPTURE: Final = Gauge(
    "pinhole_camera_last_capture_timestamp_seconds", "Capture time of the newest spooled frame."
)
CLOCK_OFFSET: Final = Gauge(
    "pinhole_camera_clock_offset_seconds", "The hub's clock less the camera's."
)
