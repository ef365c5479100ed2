"""Any one process is killed while frames come: every captured frame ends detected, exactly once.

The short form kills each process once during one run; the long form gives each its own 60 s at 10
frames a second.
"""

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.polling import WaitUntil
from tests.support.stack import RunningStack, running_stack

CAMERA = "street"
PROGRAMS = (
    "dashboard",
    "pinning",
    "yolo",
    "kubo-hub",
    f"kubo-camera-{CAMERA}",
    f"camera-{CAMERA}",
    "postgres",
)
FPS = 10


def is_back(stack: RunningStack, program: str, killed_pid: int | None) -> bool:
    standing = {one.name: one for one in stack.state.programs}[program]
    return standing.pid not in (None, killed_pid) and standing.state == "ready"


def kill_and_wait(stack: RunningStack, program: str, wait_until: WaitUntil) -> None:
    pid = stack.pid(program)
    stack.kill(program)
    wait_until(lambda: is_back(stack, program, pid), timeout_s=60)


def run_for(seconds: float) -> None:
    """Let frames come for a while: the length of the run is what is tested, not waited for."""
    time.sleep(seconds)


def stop_capture_and_settle(stack: RunningStack, wait_until: WaitUntil) -> None:
    """Wait until everything that was captured so far is settled at the hub."""
    last = stack.spooled(CAMERA)[-1][0]

    def settled() -> bool:
        rows = [row for row in stack.frames() if row["seq"] and row["seq"] <= last]
        return len(rows) >= last and all(row["analysis_state"] != "waiting" for row in rows)

    wait_until(settled, timeout_s=120)


def check_that_every_frame_is_detected_once(stack: RunningStack) -> int:
    spooled = stack.spooled(CAMERA)
    frames = {row["seq"]: row for row in stack.frames() if row["camera"] == CAMERA}
    last = max(seq for seq, row in frames.items() if row["analysis_state"] == "detected")
    for seq, cid, _ in spooled:
        if seq > last:
            continue
        row = frames[seq]
        assert row["analysis_state"] == "detected", dict(row)
        assert row["bytes_state"] == "pinned", dict(row)
        assert row["chain_state"] == "verified", dict(row)
        assert cid.startswith("bafkrei")
    assert [seq for seq, _, _ in spooled] == list(range(1, len(spooled) + 1)), "a gap in the stream"
    counts = Counter(row["seq"] for row in stack.frames() if row["camera"] == CAMERA)
    assert set(counts.values()) == {1}, "a frame was recorded twice"
    return last


def test_each_process_killed_once_during_one_run(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    source = f"synthetic:{CAMERA}"
    with running_stack(tmp_path / "home", "--source", source, "--fps", str(FPS)) as stack:
        for program in PROGRAMS:
            kill_and_wait(stack, program, wait_until)
            run_for(1)
        stop_capture_and_settle(stack, wait_until)
        assert check_that_every_frame_is_detected_once(stack) > 50


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_process_killed_during_a_minute_at_ten_frames_a_second(
    program: str, tmp_path: Path, wait_until: WaitUntil
) -> None:
    source = f"synthetic:{CAMERA}"
    with running_stack(tmp_path / "home", "--source", source, "--fps", str(FPS)) as stack:
        run_for(20)
        kill_and_wait(stack, program, wait_until)
        run_for(40)
        stop_capture_and_settle(stack, wait_until)
        assert check_that_every_frame_is_detected_once(stack) > 300
