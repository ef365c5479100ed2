"""From what was seen of a node to what is wrong with it."""

import json
import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from pinhole.stack.doctor.examined import Examined
from pinhole.stack.doctor.facts import Facts
from pinhole.stack.doctor.finding import Diagnosis, Finding, Severity
from pinhole.stack.doctor.settings_rules import of_settings

MOST_TREES: Final = 1_000
"""Each removal of a block walks all recursive pins: 34 ms at 1,000, 1.5 s at 100,000 (kubo.md)."""
_STARTED_SLACK_S: Final = 5.0
_RESTART_STACK: Final = "pinhole down, then pinhole up as before"


def diagnose(node: Examined, facts: Facts) -> Diagnosis:
    """Return everything that is wrong with a node, dangers first."""
    findings = sorted(
        _findings(node, facts), key=lambda finding: finding.severity is not Severity.DANGEROUS
    )
    return Diagnosis(
        name=node.name,
        rpc_url=node.rpc_url,
        findings=findings,
        not_checked=list(_not_checked(node, facts)) if facts.answers else [],
    )


def _findings(node: Examined, facts: Facts) -> Iterator[Finding]:
    if not facts.answers:
        yield _dangerous(
            "rpc",
            f"it could not be examined: {facts.problem}",
            "pinhole status" if node.is_of_stack else "give the right --rpc and --token-file",
        )
        return
    if facts.config is not None:
        yield from of_settings(
            node.role,
            facts.config,
            lambda key, value: _mend(node, key, value),
            is_whole=facts.config_is_whole,
        )
    yield from _of_ports(node, facts)
    yield from _of_pins(node, facts)
    yield from _of_process(node, facts)


def _of_ports(node: Examined, facts: Facts) -> Iterator[Finding]:
    if facts.obeys_anyone:
        yield _dangerous(
            "API.Authorizations",
            "the RPC obeys whoever reaches it, without a credential",
            _RESTART_STACK
            if node.is_of_stack
            else _mend(node, "API.Authorizations", {"NAME": {"AuthSecret": "bearer:SECRET"}}),
        )
    if facts.deserializes:
        yield _dangerous(
            "Gateway.DeserializedResponses",
            f"the gateway {node.gateway_url} answers with more than raw blocks",
            _mend(node, "Gateway.DeserializedResponses", value=False),
        )
    if facts.fetches:
        yield _dangerous(
            "Gateway.NoFetch",
            f"the gateway {node.gateway_url} fetches from the swarm for whoever asks",
            _mend(node, "Gateway.NoFetch", value=True),
        )
    if facts.speaks_to_anyone or _lacks_key(node):
        yield _dangerous(
            "swarm.key",
            "the swarm port speaks with nodes that do not have the swarm's key",
            _RESTART_STACK
            if node.is_of_stack
            else f"cp swarm.key {_repo(node)}/swarm.key, then start the node again",
        )
    public = [address for address in facts.peers if _is_public(address)]
    if public:
        yield _dangerous(
            "swarm/peers",
            f"it is connected to {len(public)} peers on the internet, such as {public[0]}",
            f"{_ipfs(node)} swarm disconnect {public[0]}",
        )


def _of_pins(node: Examined, facts: Facts) -> Iterator[Finding]:
    pins = facts.recursive
    if pins is None:
        return
    if pins.frames:
        yield _dangerous(
            "pins",
            f"{pins.frames} frames are pinned recursively, such as {pins.example}: every removal "
            "of a block walks all recursive pins",
            f"{_ipfs(node)} pin rm {pins.example} && "
            f"{_ipfs(node)} pin add --recursive=false {pins.example}",
        )
    if pins.trees > MOST_TREES:
        yield _dangerous(
            "pins",
            f"{pins.trees} trees are pinned recursively, more than {MOST_TREES}: every removal of "
            "a block takes 34 ms and more",
            f"{_ipfs(node)} pin ls --type=recursive",
        )


def _of_process(node: Examined, facts: Facts) -> Iterator[Finding]:
    process = facts.process
    if process is None:
        return
    if process.collects_garbage:
        yield _dangerous(
            "--enable-gc",
            "it collects garbage: that stops every write, and removes blocks between their put "
            "and their pin",
            "start `ipfs daemon` without --enable-gc",
        )
    if process.environment.get("LIBP2P_FORCE_PNET") != "1":
        yield _different(
            "LIBP2P_FORCE_PNET",
            "it would start without the swarm's key, on the public network",
            "start `ipfs daemon` with LIBP2P_FORCE_PNET=1",
        )
    if process.environment.get("IPFS_TELEMETRY") not in (None, "off"):
        yield _dangerous(
            "IPFS_TELEMETRY",
            "its environment turns telemetry on, whatever its configuration says",
            "start `ipfs daemon` with IPFS_TELEMETRY=off",
        )
    if _changed_since(node, process.started_at_s):
        yield _different(
            "config",
            "its configuration was changed after it started, and it runs with the one before",
            _RESTART_STACK if node.is_of_stack else "start the node again",
        )


def _not_checked(node: Examined, facts: Facts) -> Iterator[str]:
    if facts.config is None:
        yield "its configuration: the RPC's credential may not ask config/show; give --repo"
    if facts.deserializes is None:
        yield "its gateway: give --gateway" if node.gateway_url is None else "its gateway is silent"
    if facts.speaks_to_anyone is None:
        yield "its swarm port could not be reached from here"
    if facts.recursive is None:
        yield "its recursive pins: pin/ls is refused"
    if facts.process is None:
        yield "its command line (garbage collection): its process is not on this machine"


def _lacks_key(node: Examined) -> bool:
    return node.repo is not None and not (node.repo / "swarm.key").exists()


def _changed_since(node: Examined, started_at_s: float) -> bool:
    if node.repo is None:
        return False
    return (node.repo / "config").stat().st_mtime > started_at_s + _STARTED_SLACK_S


def _is_public(multiaddress: str) -> bool:
    try:
        return ip_address(multiaddress.split("/")[2]).is_global
    except (IndexError, ValueError):
        return multiaddress.startswith("/dns")


def _dangerous(what: str, sentence: str, mend: str) -> Finding:
    return Finding(severity=Severity.DANGEROUS, what=what, sentence=sentence, mend=mend)


def _different(what: str, sentence: str, mend: str) -> Finding:
    return Finding(severity=Severity.DIFFERENT, what=what, sentence=sentence, mend=mend)


def _mend(node: Examined, key: str, value: Any) -> str:  # noqa: ANN401 - JSON
    """Return the command that gives a setting a value; it counts from the next start on."""
    if node.is_of_stack:
        return _RESTART_STACK  # it lays the profile over every node's configuration
    words = shlex.join((key, json.dumps(value, separators=(",", ":"))))
    return f"{_ipfs(node)} config --json {words}, then start the node again"


def _ipfs(node: Examined) -> str:
    return f"IPFS_PATH={shlex.quote(_repo(node))} ipfs" if node.repo is not None else "ipfs"


def _repo(node: Examined) -> str:
    return str(node.repo) if node.repo is not None else "$IPFS_PATH"
