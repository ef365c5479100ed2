"""How long and how much: the default takes less than ten minutes in all, `--quick` one."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Times and counts of one run."""

    seconds: float
    """Length of one rate, its warm-up of 15 % included."""
    spaced_frames: int
    """Frames whose latency is taken one by one, at 50 a second."""
    captured_frames: int
    """Frames of a real camera process."""
    pictures: int
    """Different pictures for the gateway."""
    released_blocks: int
    """Blocks that leave the hub."""
    reconciled_pins: int
    """Pins of a node that is compared with its ledger."""
    pipeline_frames: int
    """Frames made beforehand for the pipeline's rate."""
    imported_files: int
    """Files of the tree that is imported."""
    pins: int
    """Pins in the table that is listed, and that policies judge."""
    list_calls: int
    """Lists asked for by each filter."""


USUAL = Scale(
    seconds=4,
    spaced_frames=500,
    captured_frames=100,
    pictures=400,
    pipeline_frames=400,
    imported_files=4000,
    released_blocks=20_000,
    reconciled_pins=1_000_000,
    pins=1_000_000,
    list_calls=200,
)
QUICK = Scale(
    seconds=1.5,
    spaced_frames=100,
    captured_frames=20,
    pictures=80,
    pipeline_frames=120,
    imported_files=600,
    released_blocks=2_000,
    reconciled_pins=50_000,
    pins=30_000,
    list_calls=50,
)
