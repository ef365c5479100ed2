"""The operator's routes and commands: who may, what they answer, what they refuse."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from pinhole.contract.cid import Cid
from pinhole.contract.errors import PinholeError
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import Pool
from pinning import pin_commands
from pinning.retention import commands
from tests.pinning.conftest import Caller, Service, frame
from tests.pinning.kept import Kept, keep

NOBODY = "00000000-0000-0000-0000-000000000000"
ROUTES = [
    ("GET", "/api/v1/policies", None),
    ("POST", "/api/v1/policies", {"dry_run": NOBODY}),
    ("GET", "/api/v1/policies/versions", None),
    ("GET", "/api/v1/policies/versions/1", None),
    ("POST", "/api/v1/dry-runs", {}),
    ("GET", f"/api/v1/dry-runs/{NOBODY}", None),
    ("GET", "/api/v1/holds", None),
    ("POST", "/api/v1/holds", {"kind": "case", "reason": "why not", "where": {"site": ["a"]}}),
    ("GET", f"/api/v1/holds/{NOBODY}", None),
    ("POST", f"/api/v1/holds/{NOBODY}/lift", {"reason": "why not"}),
    ("GET", f"/api/v1/why/{Cid.of(b'x')}", None),
]


@pytest.fixture
async def operator(service: Service) -> Caller:
    return await service.caller("anna", Scope.ADMIN)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_only_administrators_and_services_may(
    service: Service, method: str, path: str, body: Any
) -> None:
    client = await service.client("outside")
    status, answer = await client.call(method, path, json=body)
    assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN")
    nobody = Caller(client.session, client.base, {})
    assert (await nobody.call(method, path, json=body))[0] == 401
    trusted = await service.caller("dashboard", Scope.PINS_SERVICE)
    assert (await trusted.call(method, path, json=body))[0] in {200, 201, 404}


async def test_policies_are_tried_applied_and_read(operator: Caller, pool: Pool) -> None:
    await keep(pool, Kept(days=91), *(Kept(days=1) for _ in range(9)))
    status, in_force = await operator.call("GET", "/api/v1/policies")
    assert (status, in_force["version"], len(in_force["policies"])) == (200, 1, 5)
    status, shown = await operator.call("POST", "/api/v1/dry-runs", json={})
    assert (status, shown["made_by"]) == (201, "token:anna")
    assert [going["policy"] for going in shown["going"]] == ["unlabelled"]
    assert shown["forecast"]["room_bytes"] > 0
    path = f"/api/v1/dry-runs/{shown['dry_run']}"
    assert await operator.call("GET", path) == (200, shown)
    body = {"dry_run": shown["dry_run"]}
    status, applied = await operator.call("POST", "/api/v1/policies", json=body)
    assert (status, applied["version"], applied["applied_by"]) == (201, 2, "token:anna")
    status, answer = await operator.call("POST", "/api/v1/policies", json=body)
    assert (status, answer["error"]["reason"]) == (409, "POLICIES_CHANGED")
    status, answer = await operator.call("GET", "/api/v1/policies/versions")
    assert [entry["version"] for entry in answer["versions"]] == [2, 1]
    assert (await operator.call("GET", "/api/v1/policies/versions/3"))[0] == 404
    assert (await operator.call("GET", "/api/v1/policies/versions/x"))[0] == 404


@pytest.mark.parametrize(
    ("policies", "sentence"),
    [
        ([{"name": "a", "where": {"sites": ["x"]}, "keep": {"for_days": 1}}], "policies.0.where"),
        ([{"name": "a", "where": {"site": ["*"]}, "keep": {"for_days": 1}}], "has a wildcard"),
        ([{"name": "a", "keep": {"for_days": -3}}], "policies.0.keep.for_days"),
        (
            [
                {"name": "a", "keep": {"for_days": 1}},
                {"name": "b", "keep": {"for_ever": True}},
            ],
            "'a' and 'b' contradict each other",
        ),
    ],
)
async def test_policies_that_cannot_be_meant_leave_nothing_behind(
    operator: Caller, pool: Pool, policies: Any, sentence: str
) -> None:
    status, answer = await operator.call("POST", "/api/v1/dry-runs", json={"policies": policies})
    assert (status, answer["error"]["reason"]) == (422, "UNPROCESSABLE")
    assert sentence in answer["error"]["details"]
    assert await pool.fetchval("SELECT count(*) FROM pinning.dry_runs") == 0


async def test_who_asks_is_the_token_unless_a_service_says_for_whom(
    service: Service, operator: Caller
) -> None:
    dashboard = await service.caller("dashboard", Scope.PINS_SERVICE)
    hold = {"kind": "legal", "reason": "court order", "where": {"site": ["harbour"]}}
    _, made = await dashboard.call("POST", "/api/v1/holds", json={**hold, "by": "user:carla"})
    assert made["created_by"] == "user:carla"
    status, answer = await operator.call("POST", "/api/v1/holds", json={**hold, "by": "user:carla"})
    assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN")
    status, answer = await operator.call(
        "POST", f"/api/v1/holds/{made['hold']}/lift", json={"reason": ""}
    )
    assert (status, answer["error"]["reason"]) == (422, "UNPROCESSABLE")
    status, lifted = await operator.call(
        "POST", f"/api/v1/holds/{made['hold']}/lift", json={"reason": "dismissed"}
    )
    assert (status, lifted["lifted_by"]) == (200, "token:anna")
    assert (await operator.call("GET", "/api/v1/holds"))[1] == {"holds": []}
    _, everything = await operator.call("GET", "/api/v1/holds?lifted=true")
    assert [one["hold"] for one in everything["holds"]] == [made["hold"]]
    assert (await operator.call("GET", "/api/v1/holds?lifted=maybe"))[0] == 400


async def test_a_pin_under_a_hold_is_not_deleted_or_replaced_whoever_asks(
    service: Service, operator: Caller, pool: Pool
) -> None:
    anna = await service.caller("bert", Scope.BLOCKS_WRITE, Scope.PINS_WRITE)
    cid = (await anna.push(frame()))["cid"]
    _, pin = await anna.call("POST", "/pins", json={"cid": cid})
    _, hold = await operator.call(
        "POST", "/api/v1/holds", json={"kind": "legal", "reason": "court order", "cids": [cid]}
    )
    for method, body in (("DELETE", None), ("POST", {"cid": cid})):
        status, answer = await anna.call(method, f"/pins/{pin['requestid']}", json=body)
        assert (status, answer["error"]["reason"]) == (409, "HELD")
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 1
    _, explained = await operator.call("GET", f"/api/v1/why/{cid}")
    assert explained["pins"][0]["holds"] == [hold["hold"]]
    assert explained["pins"][0]["because"].startswith(f"kept by the hold {hold['hold']}")
    await operator.call("POST", f"/api/v1/holds/{hold['hold']}/lift", json={"reason": "dismissed"})
    assert (await anna.call("DELETE", f"/pins/{pin['requestid']}"))[0] == 202


async def test_why_answers_for_unknown_and_malformed_cids(operator: Caller) -> None:
    status, answer = await operator.call("GET", f"/api/v1/why/{Cid.of(b'nothing')}")
    assert (status, answer["error"]["reason"]) == (404, "NOT_FOUND")
    status, answer = await operator.call("GET", "/api/v1/why/bafknonsense")
    assert answer["error"]["reason"] == "CID_MALFORMED"


class Shell:
    """Runs commands as an operator does; `pinhole` finds them through the entry points."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.parser = argparse.ArgumentParser()
        actions = self.parser.add_subparsers(required=True)
        for register in (
            commands.register_policies,
            commands.register_holds,
            pin_commands.register,
        ):
            register(actions)

    def __call__(self, *words: str) -> str:
        arguments = self.parser.parse_args(words)
        assert arguments.run(arguments) == 0
        return self._capsys.readouterr().out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def shell(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("PINNING_POSTGRES_DSN", postgres_dsn)
    return Shell(capsys)


def test_an_operator_tries_applies_holds_and_asks_why(shell: Shell, tmp_path: Path) -> None:
    assert "unlabelled  100       90 days" in shell("policies", "show")
    file = tmp_path / "policies.json"
    policies = [{"name": "short", "where": {"kind": ["frame"]}, "keep": {"for_days": 1}}]
    file.write_text(json.dumps({"policies": policies}))
    shown = shell("policies", "dry-run", str(file), "--by", "anna")
    assert "of 0 pins (0 B) held, 0 pins (0 B) would go now" in shown
    dry_run = shown.split("apply ")[-1].split()[0]
    assert "version 2, applied" in shell("policies", "apply", dry_run, "--by", "anna")
    assert [v["version"] for v in shell.json("policies", "ls")["versions"]] == [2, 1]
    first = shell.json("policies", "show", "1")
    assert first["applied_by"] == "pinhole"
    file.write_text(json.dumps(first))  # what was printed can be edited and tried
    assert len(shell.json("policies", "dry-run", str(file))["policies"]) == 5
    added = shell.json(
        "hold", "add", "--camera", "harbour/gate-a", "--reason", "case 4711", "--by", "bob"
    )
    assert added["created_by"] == "bob"
    assert "case 4711" in shell("hold", "ls")
    lifted = shell("hold", "lift", added["hold"], "--reason", "closed")
    assert lifted.splitlines()[-1].endswith(": closed")
    assert shell("hold", "ls").splitlines()[1:] == []


def test_what_a_command_cannot_do_is_one_sentence(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text('{"policies": [{"name": "a", "keep": {"for_days": -1}}]}')
    for words, sentence in (
        (("policies", "dry-run", str(file)), "policies.0.keep.for_days: Input should be greater"),
        (("policies", "dry-run", str(tmp_path / "no")), "No such file"),
        (("policies", "apply", NOBODY), f"there is no dry run '{NOBODY}'"),
        (("policies", "show", "9"), "there is no version 9"),
        (("hold", "add", "--reason", "x y z"), "names cids, or says where"),
        (("hold", "add", "--reason", " ", "--site", "a"), "reason"),
        (("hold", "lift", "no", "--reason", "done"), "there is no hold 'no'"),
        (("pins", "why", str(Cid.of(b"x"))), "there is no pin of"),
    ):
        with pytest.raises(PinholeError) as caught:
            shell(*words)
        assert sentence in caught.value.details


async def test_why_reads_like_a_sentence(shell: Shell, pool: Pool) -> None:
    (pin,) = await keep(pool, Kept(label="changed"))
    arguments = shell.parser.parse_args(["pins", "why", str(pin.cid)])
    from pinning.retention import actions, tables  # noqa: PLC0415 - as the command does

    lines = tables.of(await actions.why_(arguments)).splitlines()
    assert lines == [
        f"{pin.cid}: kept, at the hub, policies version 1",
        "  camera:harbour/gate-a (pinned): kept by the policy changed: for ever",
    ]
