"""`pinhole up`: every part started as early as what it needs allows, and kept running."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from pinhole.contract.errors import PinholeError
from pinhole.runtime.postgres import create_pool
from pinhole.stack import access, enrol, health, preflight, run_state, secret_files
from pinhole.stack.announcement import announcement
from pinhole.stack.first_boxes import first_boxes
from pinhole.stack.kubo_binary import obtain_binary
from pinhole.stack.kubo_node import new_swarm_key
from pinhole.stack.layout import Layout
from pinhole.stack.options import Options
from pinhole.stack.plan import plan, postgres_of
from pinhole.stack.port_plan import require_page_port
from pinhole.stack.postgres_server import PostgresServer
from pinhole.stack.processes import Processes
from pinhole.stack.progress import Report
from pinhole.stack.topology import Camera, Topology

_BOXES_WITHIN_S = 30.0


def run(layout: Layout, options: Options, report: Report, *, announce: bool = True) -> None:
    """Run the stack until Ctrl-C or SIGTERM; leave no process behind, however it ends.

    `announce` says where the page is and how to log in, once everything runs.

    Raises:
        StackFailure: It could not be started; what had been started was stopped.

    """
    signal.signal(signal.SIGTERM, _leave)  # until the event loop takes over
    layout.make()
    with run_state.only_run(layout):
        preflight.check(layout.home)
        require_page_port(options.page_port)
        topology = plan(layout, options, obtain_binary(report), report)
        asyncio.run(_until_told(topology, options, report, announce=announce))


def _leave(number: int, frame: object) -> None:
    del frame
    sys.exit(128 + number)


async def _until_told(
    topology: Topology, options: Options, report: Report, *, announce: bool
) -> None:
    stack = Stack(topology, postgres_of(topology.layout), options.fps, report)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _on_signal, stopped, stack.processes)
    publishing = asyncio.create_task(stack.publish())
    starting = asyncio.create_task(stack.start())
    told = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            if announce:
                await stack.announce()
            boxes = asyncio.create_task(stack.watch_for_boxes())
            await told
            boxes.cancel()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        report("stopping")
        await stack.stop()
        publishing.cancel()
        report("stopped")


def _on_signal(stopped: asyncio.Event, processes: Processes) -> None:
    if stopped.is_set():
        processes.kill()  # a second Ctrl-C: at once
    stopped.set()


class Stack:
    """The parts of one stack and what starts them."""

    def __init__(
        self, topology: Topology, postgres: PostgresServer, fps: float | None, report: Report
    ) -> None:
        self.topology = topology
        self.processes = Processes(report, self._mark_changed)
        self._postgres = postgres
        self._fps = fps
        self._report = report
        self._ready = False
        self._started_at = datetime.now(UTC)
        self._changed = asyncio.Event()

    async def announce(self) -> None:
        """Say where the page is and how to log in."""
        where = (self.topology.layout, self.topology.page_url)
        for line in await asyncio.to_thread(announcement, *where):
            self._report(line)

    async def watch_for_boxes(self) -> None:
        """Say when the first frame of this run is on the page with boxes in it, or what is amiss.

        A camera that cannot reach its source is no reason to stop the others: it goes on trying.
        """
        if not self.topology.cameras:
            return
        token = await asyncio.to_thread(access.secret_of, self.topology, access.PAGE)
        if await first_boxes(
            self.topology.page_url, token, self._started_at, within_s=_BOXES_WITHIN_S
        ):
            self._report("the first boxes are on the page")
        for name, said in (await health.problems(self.topology.camera_health_urls)).items():
            self._report(f"{name}: {said}")

    async def publish(self) -> None:
        """Write what is known of the run whenever it changes, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.to_thread(run_state.write, self.topology.layout, self._state())

    async def start(self) -> None:
        """Start everything; return when every service says that it is well.

        Raises:
            StackFailure: Some part did not come up; the others are left to `stop`.

        """
        self._mark_changed()
        try:
            await self._start_all()
        except ExceptionGroup as group:
            raise _cause(group) from group
        await health.until_well(self.topology.service_health_urls, self._report)
        self._ready = True
        self._mark_changed()

    async def stop(self) -> None:
        """Stop everything, users of a part before the part itself."""
        cameras = {camera.program_name for camera in self.topology.cameras}
        nodes = {camera.node.name for camera in self.topology.cameras}
        layers = (cameras, {"dashboard", "yolo"}, {"pinning"}, {self.topology.hub.name} | nodes)
        await self.processes.stop(layers)

    async def _start_all(self) -> None:
        """Start each part when those that it needs are ready, and no later."""
        start = self.processes.start
        async with asyncio.TaskGroup() as group:
            database = group.create_task(self._start_database())
            hub = group.create_task(self._start_hub())
            group.create_task(start(self.topology.yolo()))
            pinning = group.create_task(_after((database, hub), self._start_pinning))
            page = partial(start, self.topology.dashboard())
            dashboard = group.create_task(_after((database,), page))
            group.create_task(
                _after((dashboard,), partial(enrol.make_administrator, self.topology))
            )
            for camera in self.topology.cameras:
                node = group.create_task(_after((hub,), partial(self._start_node, camera)))
                needed = (pinning, dashboard, node)
                group.create_task(_after(needed, partial(self._start_camera, camera)))

    async def _start_database(self) -> None:
        await asyncio.to_thread(self._postgres.prepare)
        await self.processes.start(self._postgres.program())

    async def _start_pinning(self) -> None:
        await self.processes.start(self.topology.pinning())
        # It has made the table of tokens; nobody asks it for anything before a camera is there.
        async with await create_pool(self.topology.dsn, max_size=1) as pool:
            await access.make_valid(pool, self.topology)

    async def _start_hub(self) -> None:
        hub = self.topology.hub
        await asyncio.to_thread(hub.prepare, self._swarm_key())
        await self.processes.start(hub.program())

    async def _start_node(self, camera: Camera) -> None:
        peers = (self.topology.hub.as_peer(),)
        await asyncio.to_thread(camera.node.prepare, self._swarm_key(), peers)
        await self.processes.start(camera.node.program())

    async def _start_camera(self, camera: Camera) -> None:
        await enrol.enrol(self.topology, camera, self._report)
        await self.processes.start(self.topology.camera(camera, self._fps))

    def _swarm_key(self) -> str:
        path = self.topology.layout.secrets_dir("swarm") / "swarm.key"
        return secret_files.kept(path, new_swarm_key)

    def _mark_changed(self) -> None:
        self._changed.set()

    def _state(self) -> run_state.RunState:
        return run_state.of_this_process(
            url=self.topology.page_url,
            dsn=self.topology.dsn,
            ready=self._ready,
            health_urls=self.topology.service_health_urls | self.topology.camera_health_urls,
            programs=self.processes.standings,
        )


async def _after(
    needed: tuple[asyncio.Task[None], ...], start: Callable[[], Awaitable[None]]
) -> None:
    await asyncio.gather(*needed)
    await start()


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first sentence for the user in `group`, or the group where it holds none."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            return _cause(error)
        if isinstance(error, PinholeError):
            return error
    return group
