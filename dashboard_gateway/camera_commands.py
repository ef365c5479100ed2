"""`cameras add|ls|revoke`: enrolling and ending cameras, by an operator's hand."""

import argparse
import asyncio
import json
import sys
from typing import Any

from pinhole.runtime.commands import Commands


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("cameras", help="enrol, list and revoke cameras")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_add(actions)
    listing = actions.add_parser("ls", help="list the cameras")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="refuse a camera from now on")
    _add_name(revoke)
    revoke.set_defaults(run=_revoke)


def _add_add(actions: Commands) -> None:
    add = actions.add_parser(
        "add",
        help="enrol a camera; again with other words to change it",
        description="A camera signs with its own key: `pinhole camera key` on the camera prints"
        " the public half. Said again, keys and addresses are replaced by those given.",
    )
    _add_name(add)
    add.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="whpk_…",
        help="the camera's public key; two while a key is being rotated",
    )
    add.add_argument(
        "--hmac",
        action="store_true",
        help="make a shared secret for a keyless sender (n8n, a script) and print it once",
    )
    add.add_argument("--title", help="what people call it")
    add.add_argument("--gateway-url", help="its trustless gateway on the VPN, http://10.x.y.z:port")
    add.add_argument("--peer-id", help="its Kubo's peer id")
    add.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="MULTIADDR",
        help="where its Kubo listens, without the peer id; repeat it for several",
    )
    add.add_argument("--json", action="store_true", help="answer as JSON")
    add.set_defaults(run=_add)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", help="the site's name: small letters, digits, hyphens")
    parser.add_argument("name", help="the camera's name, unique within its site")


# What the actions import (asyncpg, pgqueuer) takes a second to load: only these commands wait.


def _add(arguments: argparse.Namespace) -> int:
    from dashboard_gateway import camera_actions  # noqa: PLC0415

    answer = asyncio.run(camera_actions.add(arguments))
    if arguments.json:
        return _say_json(answer)
    _say(f"{answer['site']}/{answer['name']} may send now")
    if "hmac_secret" in answer:
        _say(f"its secret, shown this once: {answer['hmac_secret']}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from dashboard_gateway import camera_actions  # noqa: PLC0415

    answer = asyncio.run(camera_actions.list_all())
    if arguments.json:
        return _say_json(answer)
    for camera in answer:
        state = f"revoked {camera['revoked_at']}" if camera["revoked_at"] else "enrolled"
        _say(f"{camera['site']}/{camera['name']}  {state}  {camera['gateway_url'] or '-'}")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    from dashboard_gateway import camera_actions  # noqa: PLC0415

    was_allowed = asyncio.run(camera_actions.revoke(arguments))
    done = "is refused from now on" if was_allowed else "was revoked before"
    _say(f"{arguments.site}/{arguments.name} {done}")
    return 0


def _say_json(answer: Any) -> int:  # noqa: ANN401 - JSON
    _say(json.dumps(answer))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
