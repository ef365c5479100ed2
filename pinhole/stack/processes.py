"""Keeping programs running: started in order, restarted when they end, stopped in reverse."""

import asyncio
import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pinhole.stack.failure import StackFailure
from pinhole.stack.program import Program, group_is_gone, kill_group
from pinhole.stack.progress import Report

_POLL_S = 0.05
_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 10.0
# A program that ran this long was well: the next end starts the back-off from its beginning.
_WELL_AFTER_S = 30.0
_REAPED_WITHIN_S = 1.0


class State(StrEnum):
    """What a program is doing."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one program at one moment; `pid` leads its process group."""

    name: str
    state: State
    pid: int | None
    restarts: int
    since: datetime


class Keeper:
    """Runs one program until it is told to stop, whatever ends it meanwhile."""

    def __init__(self, program: Program, report: Report, changed: Callable[[], None]) -> None:
        self.program = program
        self._report = report
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._restarts = 0
        self._state = State.STARTING
        self._since = datetime.now(UTC)

    @property
    def standing(self) -> Standing:
        """What the program is doing now."""
        process = self._process
        alive = process is not None and process.returncode is None
        return Standing(
            name=self.program.name,
            state=self._state,
            pid=process.pid if process is not None and alive else None,
            restarts=self._restarts,
            since=self._since,
        )

    async def start(self) -> None:
        """Start the program and return when it is ready; from then on it is kept running.

        Raises:
            StackFailure: It ended or was not ready in time: a first start is not repeated.

        """
        self._process = await self._launch()
        await self._until_ready(self._process)
        self._become(State.READY)
        self._watch = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")

    async def stop(self) -> None:
        """End the program and its whole process group; return when they are gone."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        process = self._process
        if process is not None:
            await self._end(process)
        self._become(State.STOPPED)

    def kill(self) -> None:
        """Kill the whole process group now."""
        if self._process is not None:
            kill_group(self._process.pid)

    async def _keep(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            process = self._process
            assert process is not None  # noqa: S101 - `start` made it
            ready_at = time.monotonic()
            code = await process.wait()
            await _clear_group(process.pid)  # workers that outlived their leader
            if time.monotonic() - ready_at > _WELL_AFTER_S:
                backoff_s = _FIRST_BACKOFF_S
            self._report(f"{self.program.name} ended with {code}, starting it again")
            self._become(State.RESTARTING)
            backoff_s = await self._restart(backoff_s)

    async def _restart(self, backoff_s: float) -> float:
        """Start again until it works; return the back-off to begin with the next time."""
        while True:
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            self._restarts += 1
            self._process = await self._launch()
            try:
                await self._until_ready(self._process)
            except StackFailure as failure:
                self._report(failure.details.splitlines()[0])
                await self._end(self._process)
                continue
            self._become(State.READY)
            self._report(f"{self.program.name} is ready again (restart {self._restarts})")
            return backoff_s

    async def _launch(self) -> asyncio.subprocess.Process:
        program = self.program
        command = await asyncio.to_thread(program.command)
        with await asyncio.to_thread(program.open_log) as log:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=program.cwd,
                env=program.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we end them in order
            )

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        program = self.program
        deadline = time.monotonic() + program.start_within_s
        while not await asyncio.to_thread(program.ready):
            if process.returncode is not None:
                what = f"ended with {process.returncode} while starting"
                raise await asyncio.to_thread(program.failure, what)
            if time.monotonic() > deadline:
                what = f"was not ready within {program.start_within_s:.0f} s"
                raise await asyncio.to_thread(program.failure, what)
            await asyncio.sleep(_POLL_S)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.send_signal(self.program.stop_signal)
            try:
                async with asyncio.timeout(self.program.stop_within_s):
                    await process.wait()
            except TimeoutError:
                kill_group(process.pid)
                await process.wait()
        await _clear_group(process.pid)

    def _become(self, state: State) -> None:
        self._state = state
        self._since = datetime.now(UTC)
        self._changed()


async def _clear_group(leader_pid: int) -> None:
    """Kill what is left of a group and wait until it is gone.

    Orphans are reaped by the machine's first process; where that one never does (a container
    without an init), we do not wait for it.
    """
    kill_group(leader_pid)
    deadline = time.monotonic() + _REAPED_WITHIN_S
    while not group_is_gone(leader_pid) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)


class Processes:
    """The programs of the stack, in the order in which they were started."""

    def __init__(self, report: Report, changed: Callable[[], None]) -> None:
        self._report = report
        self._changed = changed
        self._keepers: list[Keeper] = []

    @property
    def standings(self) -> tuple[Standing, ...]:
        """What every program is doing now."""
        return tuple(keeper.standing for keeper in self._keepers)

    async def start(self, program: Program) -> None:
        """Start `program`, return when it is ready, and keep it running.

        Raises:
            StackFailure: Its first start failed.

        """
        started_at = time.monotonic()
        keeper = Keeper(program, self._report, self._changed)
        self._keepers.append(keeper)
        await keeper.start()
        self._report(f"{program.name} is ready after {time.monotonic() - started_at:.1f} s")

    async def stop(self, layers: Iterable[AbstractSet[str]] = ()) -> None:
        """Stop every program: those named in `layers` first, layer by layer, then the rest."""
        remaining = {keeper.program.name: keeper for keeper in self._keepers}
        for names in (*layers, set(remaining)):
            together = [remaining.pop(name) for name in names & remaining.keys()]
            await asyncio.gather(*(keeper.stop() for keeper in together))
        self._keepers.clear()

    def kill(self) -> None:
        """Kill every process of every program now."""
        for keeper in self._keepers:
            keeper.kill()
