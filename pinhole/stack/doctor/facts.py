"""What can be seen of a node: what it answers, its configuration, its process, its pins.

Everything is asked of the node itself; its files tell only what the RPC's credential may not ask.
What cannot be seen is None, and is told as not checked: it never counts as well.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pinhole.contract.cid import Cid
from pinhole.contract.errors import Unprocessable
from pinhole.stack.doctor import probing
from pinhole.stack.doctor.examined import Examined
from pinhole.stack.doctor.process import DaemonProcess, find_daemon

MOST_PINS: Final = 100_000
"""Recursive pins that are read at most: far fewer are too many."""


@dataclass(frozen=True)
class RecursivePins:
    """What a node pins recursively."""

    frames: int = 0
    """Single raw blocks, which are frames: those are pinned directly."""
    trees: int = 0
    example: str | None = None
    """One of the frames."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One node as it is now."""

    answers: bool
    """Whether the RPC answers to the credential that was given."""
    problem: str | None = None
    """Why not."""
    config: Mapping[str, Any] | None = None
    config_is_whole: bool = False
    """Read from its file; over the RPC Kubo leaves secrets out, `API.Authorizations` among them."""
    obeys_anyone: bool | None = None
    """Whether the RPC does what somebody without a credential asks."""
    deserializes: bool | None = None
    """Whether the gateway answers with something else than raw blocks."""
    fetches: bool | None = None
    """Whether the gateway asks others for a block that the node does not have."""
    speaks_to_anyone: bool | None = None
    """Whether the swarm port answers without the swarm's key."""
    recursive: RecursivePins | None = None
    peers: tuple[str, ...] = ()
    """Addresses of connected peers."""
    process: DaemonProcess | None = field(default=None, repr=False)


def observe(node: Examined) -> Facts:
    """Look at a node. Blocking, a few seconds at most; nothing at the node changes."""
    try:
        identity = probing.rpc(node.rpc_url, "id", token=node.token)
    except OSError as error:
        return Facts(answers=False, problem=f"{node.rpc_url} does not answer: {error}")
    if identity.status != HTTPStatus.OK:
        problem = f"{node.rpc_url} answers {identity.status} {identity.text[:200]!r}"
        return Facts(answers=False, problem=problem)
    config, is_whole = _config(node)
    return Facts(
        answers=True,
        config=config,
        config_is_whole=is_whole,
        obeys_anyone=probing.rpc(node.rpc_url, "id").status == HTTPStatus.OK,
        deserializes=probing.deserializes(node.gateway_url) if node.gateway_url else None,
        fetches=probing.fetches(node.gateway_url) if node.gateway_url else None,
        speaks_to_anyone=_speaks_to_anyone(identity.json()),
        recursive=_recursive_pins(node),
        peers=_peers(node),
        process=find_daemon(node.rpc_url, node.repo),
    )


def _config(node: Examined) -> tuple[Mapping[str, Any] | None, bool]:
    if node.repo is not None and (node.repo / "config").exists():
        return json.loads((node.repo / "config").read_text(encoding="utf-8")), True
    answer = probing.rpc(node.rpc_url, "config/show", token=node.token)
    return (answer.json() if answer.status == HTTPStatus.OK else None), False


def _speaks_to_anyone(identity: Mapping[str, Any]) -> bool | None:
    """Try the swarm's TCP addresses until one can be reached."""
    for address in identity.get("Addresses") or ():
        words = address.split("/")
        if words[1:2] in (["ip4"], ["ip6"]) and words[3:4] == ["tcp"] and words[5:6] != ["ws"]:
            spoken = probing.speaks_multistream(words[2], int(words[4]))
            if spoken is not None:
                return spoken
    return None


def _recursive_pins(node: Examined) -> RecursivePins | None:
    frames = trees = 0
    example: str | None = None
    try:
        for line in probing.rpc_lines(
            node.rpc_url, "pin/ls?type=recursive&stream=true", token=node.token, most=MOST_PINS
        ):
            cid = str(json.loads(line).get("Cid", ""))
            if _is_frame(cid):
                frames += 1
                example = cid
            elif cid:
                trees += 1
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return RecursivePins(frames, trees, example)


def _is_frame(text: str) -> bool:
    try:
        return Cid.parse(text).is_frame
    except Unprocessable:
        return False


def _peers(node: Examined) -> tuple[str, ...]:
    answer = probing.rpc(node.rpc_url, "swarm/peers", token=node.token)
    if answer.status != HTTPStatus.OK:
        return ()
    return tuple(str(peer["Addr"]) for peer in answer.json().get("Peers") or ())
