"""`pinhole doctor` on real nodes: one as the profile has it, and ones that are really wrong."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pinhole.stack.doctor.diagnosis import diagnose
from pinhole.stack.doctor.examined import Examined
from pinhole.stack.doctor.facts import observe
from pinhole.stack.doctor.finding import Diagnosis, Severity
from pinhole.stack.doctor.settings_rules import DANGERS
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import CAMERA_PATHS, Role, Section, laid_over
from pinhole.stack.program import running
from tests.support.kubo import Swarm

TOKEN = "the-doctors-own"
PEER = "12D3KooWJRpFvw9TaArt3JMZSHan4sCd22yLSw4umHixE43zHvKi"
# Each setting of DANGERS with a wrong value. The node keeps its swarm key and all that it may dial
# is a closed port of this machine: nothing here ever speaks to the public network.
WRONG: Section = {
    "AutoConf": {"Enabled": True, "URL": "http://127.0.0.1:9/autoconf.json"},
    "AutoTLS": {"Enabled": None},
    "Bootstrap": [f"/ip4/127.0.0.1/tcp/9/p2p/{PEER}"],
    "DNS": {"Resolvers": {"eth.": "https://127.0.0.1:9/dns-query"}},
    "Discovery": {"MDNS": {"Enabled": True}},
    "HTTPRetrieval": {"Enabled": True},
    "Ipns": {"DelegatedPublishers": ["http://127.0.0.1:9"]},
    "Plugins": {"Plugins": {"telemetry": {"Disabled": False}}},
    "Provide": {"Enabled": True},
    "Routing": {"Type": "dht", "DelegatedRouters": ["http://127.0.0.1:9"]},
    "Swarm": {
        "DisableNatPortMap": False,
        "EnableHolePunching": None,
        "RelayClient": {"Enabled": True},
        "RelayService": {"Enabled": True},
        "Transports": {"Network": {"Relay": True}},
    },
    "Import": {
        "CidVersion": 0,
        "UnixFSRawLeaves": False,
        "UnixFSChunker": "size-262144",
        "HashFunction": "blake3",
    },
    "Gateway": {
        "NoFetch": False,
        "NoDNSLink": False,
        "DeserializedResponses": True,
        "ExposeRoutingAPI": True,
        "RetrievalTimeout": "1s",
        "PublicGateways": {"example.org": {"UseSubdomains": True, "Paths": ["/ipfs"]}},
    },
    "Bitswap": {"ServerEnabled": True},
    "Internal": {"Bitswap": {"WantHaveReplaceSize": 1024}},
}


@contextmanager
def altered(
    swarm: Swarm,
    change: Callable[[Section], Section],
    *,
    rpc_token: str | None = None,
    arguments: Sequence[str] = (),
    **environment: str,
) -> Iterator[KuboNode]:
    """Run a hub whose configuration was changed after the profile was laid over it."""
    node = swarm.node(Role.HUB, rpc_token=rpc_token)
    node.prepare(swarm.key)
    config = node.repo / "config"
    config.write_text(json.dumps(change(json.loads(config.read_text()))))
    program = node.program()
    if environment.get("LIBP2P_FORCE_PNET") == "0":
        (node.repo / "swarm.key").unlink()
    changed = dataclasses.replace(
        program, argv=(*program.argv, *arguments), env={**program.env, **environment}
    )
    with running(changed):
        yield node


def examined(node: KuboNode, *, with_repo: bool = True, **changes: Any) -> Examined:
    given = {
        "name": node.name,
        "role": node.role,
        "rpc_url": node.rpc_url,
        "token": node.rpc_token,
        "gateway_url": node.gateway_url,
        "repo": node.repo if with_repo else None,
    }
    return Examined(**(given | changes))


def diagnosis_of(node: KuboNode, *, with_repo: bool = True) -> Diagnosis:
    patient = examined(node, with_repo=with_repo)
    return diagnose(patient, observe(patient))


def dangers(diagnosis: Diagnosis) -> dict[str, str]:
    return {
        finding.what: finding.sentence
        for finding in diagnosis.findings
        if finding.severity is Severity.DANGEROUS
    }


@pytest.fixture(scope="module")
def well(swarm: Swarm) -> Iterator[KuboNode]:
    with swarm.started(Role.HUB, rpc_token=TOKEN) as node:
        yield node


@pytest.mark.parametrize("role", list(Role))
def test_a_node_of_the_profile_is_well_and_nothing_is_left_unchecked(
    swarm: Swarm, role: Role
) -> None:
    with swarm.started(role, rpc_token=TOKEN) as node:
        diagnosis = diagnosis_of(node)
    assert diagnosis.findings == []
    assert diagnosis.not_checked == []


@pytest.fixture(scope="module")
def all_wrong(swarm: Swarm) -> Iterator[Diagnosis]:
    """What is said of a running node in which every setting is wrong."""
    with altered(swarm, lambda config: laid_over(config, WRONG)) as node:
        yield diagnosis_of(node)


@pytest.mark.parametrize("key", DANGERS)
def test_each_dangerous_setting_that_is_wrong_is_named_with_what_it_leads_to(
    all_wrong: Diagnosis, key: str
) -> None:
    found = [finding for finding in all_wrong.findings if finding.what == key]
    assert found, f"{key} is wrong and nothing is said of it"
    assert DANGERS[key] in found[0].sentence
    assert found[0].severity is Severity.DANGEROUS


def test_every_mend_of_a_setting_is_a_command_that_mends_it(swarm: Swarm) -> None:
    node = swarm.node(Role.HUB)
    node.prepare(swarm.key)
    good = json.loads((node.repo / "config").read_text())
    (node.repo / "config").write_text(json.dumps(laid_over(good, WRONG)))
    environment = {**os.environ, "PATH": f"{node.binary.parent}:{os.environ['PATH']}"}
    with altered(swarm, lambda config: laid_over(config, WRONG)) as wrong:
        findings = diagnosis_of(wrong).findings
    for finding in findings:
        if finding.what in DANGERS:
            command, _, then = finding.mend.partition(", then ")
            assert then == "start the node again"
            command = command.replace(str(wrong.repo), str(node.repo))
            command = command.replace(" ipfs ", f" {node.binary} ")
            subprocess.run(("/bin/sh", "-c", command), env=environment, check=True)
    with running(node.program()):
        left = dangers(diagnosis_of(node))
    assert set(left) == {"API.Authorizations"}  # this node was given no token


def test_a_setting_that_makes_a_node_only_slower_is_a_difference_and_no_danger(
    all_wrong: Diagnosis,
) -> None:
    found = {finding.what: finding for finding in all_wrong.findings}
    slower = found["Internal.Bitswap.WantHaveReplaceSize"]
    assert slower.severity is Severity.DIFFERENT
    assert slower.sentence.endswith("is 1024 and should be 1048576")
    # Dangers come first.
    severities = [finding.severity for finding in all_wrong.findings]
    assert severities == sorted(severities, key=list(Severity).index)


def test_what_the_ports_really_do_counts_beside_the_configuration(all_wrong: Diagnosis) -> None:
    sentences = [finding.sentence for finding in all_wrong.findings]
    assert any("answers with more than raw blocks" in sentence for sentence in sentences)
    assert any("fetches from the swarm for whoever asks" in sentence for sentence in sentences)
    assert any("without a credential" in sentence for sentence in sentences)


def _outside(config: Section) -> Section:
    api = config["Addresses"]["API"].replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - it is the danger
    return laid_over(config, {"Addresses": {"API": api}, "Routing": {"Type": "none"}})


def test_a_node_without_key_on_every_interface_with_garbage_collection(swarm: Swarm) -> None:
    more = {
        "API": {
            "Authorizations": {
                "pinning": {
                    "AuthSecret": f"bearer:{TOKEN}",
                    "AllowedPaths": [*CAMERA_PATHS, "/api/v0/pin/"],
                }
            }
        }
    }
    with altered(
        swarm,
        lambda config: laid_over(_outside(config), more),
        rpc_token=TOKEN,
        arguments=["--enable-gc"],
        LIBP2P_FORCE_PNET="0",
    ) as node:
        found = dangers(diagnosis_of(node))
        outside = dangers(diagnosis_of(node, with_repo=False))
    assert set(found) == {"swarm.key", "Addresses.API", "API.Authorizations", "--enable-gc"}
    assert "/ip4/0.0.0.0/tcp/" in found["Addresses.API"]
    assert "may call /api/v0/pin/, which nothing" in found["API.Authorizations"]
    # The missing key shows at the port itself, without any file.
    assert {"swarm.key", "--enable-gc"} <= set(outside)


def _flatfs(config: Section) -> Section:
    spec = {
        "type": "mount",
        "mounts": [
            {
                "mountpoint": "/blocks",
                "prefix": "flatfs.datastore",
                "type": "flatfs",
                "path": "blocks",
                "shardFunc": "/repo/flatfs/shard/v1/next-to-last/2",
                "sync": False,
            }
        ],
    }
    return laid_over(config, {"Datastore": {"Spec": spec}})


def test_a_datastore_that_does_not_sync_is_dangerous(swarm: Swarm) -> None:
    def no_log(config: Section) -> Section:
        return laid_over(config, {"Datastore": {"Spec": {"disableWAL": True}}})

    with altered(swarm, no_log, rpc_token=TOKEN) as node:
        found = dangers(diagnosis_of(node))
        assert set(found) == {"Datastore.Spec"}
        assert "disableWAL true: a power cut loses frames" in found["Datastore.Spec"]
        # Kubo's older datastore says it in another word, deeper down.
        (node.repo / "config").write_text(
            json.dumps(_flatfs(json.loads((node.repo / "config").read_text())))
        )
        assert "flatfs datastore has sync false" in dangers(diagnosis_of(node))["Datastore.Spec"]


def test_frames_that_are_pinned_recursively_are_dangerous_and_the_mend_mends(swarm: Swarm) -> None:
    node = swarm.node(Role.HUB)
    node.prepare(swarm.key)
    environment = {**os.environ, **node.program().env}

    def ipfs(*words: str, data: bytes = b"") -> str:
        done = subprocess.run(
            (node.binary, *words), env=environment, input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    with running(node.program()):
        frame = ipfs("block", "put", "--cid-codec=raw", data=b"frame")
        ipfs("pin", "add", "--recursive=false", frame)
        tree = ipfs("add", "--quieter", data=os.urandom(3_000_000))
        assert tree
        assert "pins" not in dangers(diagnosis_of(node))  # uploads' trees are no danger
        ipfs("pin", "add", "--recursive=true", frame)
        diagnosis = diagnosis_of(node)
        assert f"1 frames are pinned recursively, such as {frame}" in dangers(diagnosis)["pins"]
        (mend,) = [found.mend for found in diagnosis.findings if found.what == "pins"]
        command = mend.replace(" ipfs ", f" {node.binary} ")
        subprocess.run(("/bin/sh", "-c", command), check=True, capture_output=True)
        assert "pins" not in dangers(diagnosis_of(node))


def test_a_camera_may_serve_bitswap_and_a_hub_may_not(swarm: Swarm, all_wrong: Diagnosis) -> None:
    assert "Bitswap.ServerEnabled" in dangers(all_wrong)
    with swarm.started(Role.CAMERA, rpc_token=TOKEN) as node:
        as_hub = examined(node, role=Role.HUB)
        assert "Bitswap.ServerEnabled" in dangers(diagnose(as_hub, observe(as_hub)))


def test_a_configuration_changed_after_the_start_is_told(well: KuboNode) -> None:
    config = well.repo / "config"
    before = config.stat().st_mtime
    try:
        os.utime(config, (before + 3600, before + 3600))
        (finding,) = diagnosis_of(well).findings
        assert (finding.what, finding.severity) == ("config", Severity.DIFFERENT)
    finally:
        os.utime(config, (before, before))


def test_what_cannot_be_seen_from_outside_is_told_and_not_taken_for_well(well: KuboNode) -> None:
    patient = examined(well, with_repo=False, gateway_url=None)
    diagnosis = diagnose(patient, observe(patient))
    assert diagnosis.findings == []
    assert [told.split(":")[0] for told in diagnosis.not_checked] == [
        "its configuration",
        "its gateway",
    ]
