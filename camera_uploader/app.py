"""The composition root: what the camera consists of, in the order of one frame's way."""

import logging
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import cv2

from camera_uploader.backoff import Backoff
from camera_uploader.capture import Capture, FrameQueue
from camera_uploader.clock import HubClock
from camera_uploader.developing import Developer
from camera_uploader.health import STALLS_AFTER_S, HealthServer
from camera_uploader.heartbeat import Heartbeat
from camera_uploader.hub import Hub
from camera_uploader.identity import Identity, load_or_make
from camera_uploader.links import Links
from camera_uploader.node import Node
from camera_uploader.pusher import Pusher
from camera_uploader.receipts import Receipts
from camera_uploader.report import Report
from camera_uploader.sender import Sender
from camera_uploader.settings import CameraSettings
from camera_uploader.sources.catalogue import open_source
from camera_uploader.spool.spool import Spool
from camera_uploader.storing import Storing
from camera_uploader.workers import Part, Work, Workers

logger = logging.getLogger(__name__)

# docker stop and systemd give 10 s or more before they kill.
_STOP_WITHIN_S: Final = 8.0


class Camera:
    """A camera. `start` opens everything and runs it in threads; `stop` ends and closes it."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._workers = Workers()
        self._resources = ExitStack()
        self.health_port: int | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The camera's threads by name, in the order of a frame."""
        return self._workers.parts

    def start(self) -> None:
        """Open the spool and the key, and start every part.

        Raises:
            PinholeError: something is missing, damaged or taken; nothing is left running.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part, in the order of a frame, and close everything."""
        if not self._workers.stop(_STOP_WITHIN_S):
            logger.warning("a part did not end in time; the spool keeps what was not sent")
        self._resources.close()

    def _start(self) -> None:
        # Its few cores have other work; one picture gains nothing from OpenCV's threads.
        cv2.setNumThreads(1)
        settings = self._settings
        spool = Spool(settings.spool_dir)
        self._resources.callback(spool.close)
        identity = Identity(settings.event_source, load_or_make(settings.signing_key_file))
        clock = HubClock(spool.clock_offset_ms())
        receipts = Receipts(spool, clock)

        # source -> frames -> node -> spool
        fresh = threading.Event()
        frames: FrameQueue = queue.Queue(settings.queue_frames)
        source = open_source(settings, settings.oversize, spool.items)
        capture = Capture(
            source,
            Developer(settings.jpeg_quality, settings.oversize),
            frames,
            spool.items,
            # At 3 frames a minute a silence of 10 s means nothing.
            silent_after_s=max(settings.source_timeout_s, 2 / settings.fps),
        )
        storing = Storing(
            frames,
            self._node(),
            spool.events,
            spool.items,
            identity=identity,
            clock=clock,
            source=source,
            fresh=fresh,
        )

        # spool -> hub
        sender = Sender(
            spool.events,
            self._hub(identity, clock),
            receipts,
            fresh=fresh,
            backoff=Backoff(max_s=settings.retry_max_s),
            batch_limit=settings.batch_events,
        )
        pusher = Pusher(
            spool.events,
            self._node(),
            self._hub(identity, clock),
            receipts,
            identity=identity,
            backoff=Backoff(max_s=settings.retry_max_s),
        )

        # what both sides know of each other
        links = Links(self._node(), settings.hub_addresses, interval_s=settings.links_s)
        report = Report(
            spool=spool,
            identity=identity,
            clock=clock,
            receipts=receipts,
            source=source,
            capture=capture,
            parts=lambda: self.parts,
        )
        heartbeat = Heartbeat(
            spool,
            self._hub(identity, clock),
            receipts,
            identity=identity,
            links=links,
            interval_s=settings.heartbeat_s,
            states=report.states,
            last_capture_at=lambda: capture.last_shot_at,
            hub_answered=sender.hub_is_back,
        )
        self._open_health(report)
        logger.info(
            "camera %s, source %s, stream %s after seq %d, public key %s",
            identity.source,
            source.name,
            spool.stream,
            spool.events.head.seq,
            identity.signer.public,
        )
        hub_s, kubo_s = settings.hub_timeout_s, settings.kubo_timeout_s
        self._run("capture", capture.run, longest_call_s=settings.source_timeout_s)
        self._run("store", storing.run, longest_call_s=kubo_s)
        self._run("send", sender.run, longest_call_s=hub_s, wake=sender.wake)
        self._run("push", pusher.run, longest_call_s=hub_s, wake=pusher.wake)
        self._run("links", links.run, longest_call_s=kubo_s + settings.links_s)
        self._run("heartbeat", heartbeat.run, longest_call_s=hub_s + settings.heartbeat_s)

    def _run(
        self,
        name: str,
        work: Work,
        *,
        longest_call_s: float,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        # Twice: every step opens a connection and then uses it.
        limit_s = 2 * longest_call_s + STALLS_AFTER_S
        self._workers.start(name, work, stalls_after_s=limit_s, wake=wake)

    def _node(self) -> Node:
        settings = self._settings
        token = settings.kubo_rpc_token
        node = Node(
            settings.kubo_rpc_url,
            token=None if token is None else token.get_secret_value(),
            timeout_s=settings.kubo_timeout_s,
        )
        self._resources.callback(node.close)
        return node

    def _hub(self, identity: Identity, clock: HubClock) -> Hub:
        settings = self._settings
        hub = Hub(
            settings.hub_url,
            identity,
            clock,
            timeout_s=settings.hub_timeout_s,
            ca_file=settings.hub_ca_file,
        )
        self._resources.callback(hub.close)
        return hub

    def _open_health(self, report: Report) -> None:
        settings = self._settings
        if settings.health_port is None:
            return
        server = HealthServer(
            settings.health_host,
            settings.health_port,
            parts=lambda: self.parts,
            report=report.status,
        )
        self._resources.callback(server.close)
        self.health_port = server.port


def run(settings: CameraSettings) -> None:
    """Run a camera until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    camera = Camera(settings)
    camera.start()
    try:
        ended.wait()
    finally:
        camera.stop()
