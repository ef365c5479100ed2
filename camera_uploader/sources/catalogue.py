"""From a setting to a source: one place that knows every kind."""

import os
from typing import Final, assert_never

from camera_uploader.frame import printable
from camera_uploader.settings import Oversize, SourceSettings
from camera_uploader.sources.directory import DirectoryRules, DirectorySource
from camera_uploader.sources.files import Folder
from camera_uploader.sources.source import Memory, Source
from camera_uploader.sources.spec import Kind, SourceSpec
from camera_uploader.sources.stream import network_camera, usb_device
from camera_uploader.sources.synthetic import SyntheticSource
from camera_uploader.sources.video_file import VideoFileSource
from pinhole.contract.cid import MAX_BLOCK_BYTES

# A file that is to be re-encoded has to be read and decoded; beyond this it is refused.
_MAX_ORIGINAL_BYTES: Final = 64_000_000


def open_source(settings: SourceSettings, oversize: Oversize, memory: Memory) -> Source:
    """Return the source that the settings name; nothing is opened before it is iterated."""
    spec = settings.source
    match spec.kind:
        case Kind.SYNTHETIC:
            return SyntheticSource(
                "gate" if spec.address == "gate" else "street",
                seed=spec.seed,
                fps=settings.fps,
                width_px=settings.width_px,
                height_px=settings.height_px,
            )
        case Kind.DIRECTORY:
            return _directory(settings, oversize, memory)
        case Kind.FILE:
            return VideoFileSource(
                spec.path,
                memory,
                name=_local(spec),
                fps=settings.fps,
                loop=settings.file_loop,
                paced=settings.file_paced,
            )
        case Kind.RTSP | Kind.RTSPS:
            return network_camera(
                spec.address,
                name=str(spec),
                fps=settings.fps,
                timeout_s=settings.source_timeout_s,
            )
        case Kind.USB:
            return usb_device(
                int(spec.address),
                name=str(spec),
                fps=settings.fps,
                width_px=settings.width_px,
                height_px=settings.height_px,
            )
        case _:
            assert_never(spec.kind)


def _directory(settings: SourceSettings, oversize: Oversize, memory: Memory) -> Source:
    rules = DirectoryRules(
        settle_s=settings.directory_settle_s,
        incomplete_s=settings.directory_incomplete_s,
        rescan_s=settings.directory_rescan_s,
        after=settings.directory_after,
        time=settings.directory_time,
        read_limit_bytes=(MAX_BLOCK_BYTES if oversize is Oversize.REFUSE else _MAX_ORIGINAL_BYTES),
    )
    folder = Folder(settings.source.path)
    return DirectorySource(folder, memory, rules, name=_local(settings.source))


def _local(spec: SourceSpec) -> str:
    """Return the name of a local source: the same whatever directory the camera is started in."""
    return f"{spec.kind}:{printable(os.fsencode(spec.path.absolute()))}"
