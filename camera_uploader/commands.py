"""`pinhole camera …`: what an operator asks a camera node."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from camera_uploader.identity import load_or_make, public_key_file
from pinhole.contract.errors import PinholeError, Unavailable
from pinhole.runtime.commands import Commands

_DEFAULT_URL: Final = "http://127.0.0.1:8090"
_TIMEOUT_S: Final = 5


def register(commands: Commands) -> None:
    """Add `pinhole camera` to the command line."""
    camera = commands.add_parser("camera", help="look at a camera, its source, its key")
    actions = camera.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_status(actions)
    _add_sources(actions)
    _add_key(actions)
    _add_orphans(actions)


def _add_status(actions: Commands) -> None:
    parser = actions.add_parser(
        "status", help="show how a running camera is, what it refused, what the hub rejected"
    )
    parser.add_argument(
        "--url", default=_DEFAULT_URL, help=f"its CAMERA_HEALTH_PORT ({_DEFAULT_URL})"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=_status)


def _add_sources(actions: Commands) -> None:
    sources = actions.add_parser("sources", help="try a source before a camera uses it")
    test = sources.add_subparsers(title="actions", metavar="ACTION", required=True).add_parser(
        "test", help="take some pictures and show their size, rate and sharpness"
    )
    test.add_argument("spec", metavar="SPEC", help="as CAMERA_SOURCE: rtsp://…, usb:0, dir:PATH")
    test.add_argument("--seconds", type=float, default=5.0, help="how long at most (5)")
    test.add_argument("--save", type=Path, metavar="FILE", help="keep the last picture there")
    test.set_defaults(run=_test_source)


def _add_key(actions: Commands) -> None:
    parser = actions.add_parser(
        "key", help="print a camera's public key, which the hub enrols; make the key if need be"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="its CAMERA_KEY_FILE")
    parser.set_defaults(run=_key)


def _add_orphans(actions: Commands) -> None:
    parser = actions.add_parser(
        "orphans",
        help="list pinned blocks that no event names",
        description="A camera that is killed after it pinned a block and before it wrote the"
        " event leaves such a block. It does no harm but takes room.",
    )
    parser.add_argument("spool", type=Path, metavar="DIR", help="its CAMERA_SPOOL_DIR")
    parser.add_argument("--kubo-rpc-url", default="http://127.0.0.1:5001", help="its Kubo node")
    parser.set_defaults(run=_orphans)


def _status(arguments: argparse.Namespace) -> int:
    status = _fetch(arguments.url.rstrip("/") + "/status")
    text = json.dumps(status, indent=2) if arguments.json else _page(status)
    sys.stdout.write(text + "\n")
    return 0


def _fetch(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise PinholeError(f"{url} is no http address")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - checked
            status: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unavailable(f"no camera answers at {url}: {reason}") from error
    return status


def _page(status: dict[str, Any]) -> str:
    spool = status["spool"]
    at_hub = (
        f"through {spool['pinned_through']}, {spool['unsent']} to send, "
        f"{spool['wanted']} wanted, {spool['rejected']} rejected"
    )
    pictures = f"{spool['duplicates']} identical to an earlier one, {spool['refused']} refused"
    rows = [
        ("last picture", status["last_capture_at"] or "none yet"),
        ("stream", f"{status['stream']}, {spool['last_seq']} events"),
        ("at the hub", at_hub),
        ("pictures", pictures),
        *status["parts"].items(),
        *(("rejected", f"seq {entry['seq']}: {_why(entry)}") for entry in status["rejected"]),
        *(("refused", f"{entry['item'] or '-'}: {_why(entry)}") for entry in status["refused"]),
    ]
    title = f"{status['camera']}  {status['source']}"
    return "\n".join([title, *(f"  {name:<14} {text}" for name, text in rows)])


def _why(entry: dict[str, Any]) -> str:
    return f"{entry['reason']}, {entry['details']}"


def _test_source(arguments: argparse.Namespace) -> int:
    # Here, not above: OpenCV takes a moment that `pinhole --help` need not wait for.
    from camera_uploader.trial import try_source  # noqa: PLC0415

    return try_source(arguments.spec, arguments.seconds, arguments.save, sys.stdout)


def _key(arguments: argparse.Namespace) -> int:
    signer = load_or_make(arguments.file)
    sys.stdout.write(f"{signer.public}\n")
    sys.stderr.write(f"also in {public_key_file(arguments.file)}\n")
    return 0


def _orphans(arguments: argparse.Namespace) -> int:
    from camera_uploader.orphans import orphans  # noqa: PLC0415 - as above

    for cid in orphans(arguments.spool, arguments.kubo_rpc_url):
        sys.stdout.write(f"{cid}\n")
    return 0
