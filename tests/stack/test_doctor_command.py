"""`pinhole doctor`: what it prints, and its exit status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pinhole import cli
from pinhole.stack.kubo_node import KuboNode
from pinhole.stack.kubo_profile import Role
from pinhole.stack.layout import HOME_VARIABLE
from tests.support.kubo import Swarm

TOKEN = "the-doctors-own"


@pytest.fixture(scope="module")
def well(swarm: Swarm) -> Iterator[KuboNode]:
    with swarm.started(Role.HUB, rpc_token=TOKEN) as node:
        yield node


def doctor(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    status = cli.main(["doctor", *words])
    return status, capsys.readouterr()


def test_the_command_ends_with_0_where_all_is_well_and_with_1_where_not(
    well: KuboNode, hub_kubo: KuboNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    words = ("--rpc", well.rpc_url, "--token-file", str(token), "--repo", str(well.repo))
    status, shown = doctor(*words, "--gateway", well.gateway_url, capsys=capsys)
    assert (status, shown.out) == (0, f"hub  {well.rpc_url}  well\n")

    # The tests' own hub has no token.
    status, shown = doctor("--rpc", hub_kubo.rpc_url, "--json", capsys=capsys)
    assert status == 1
    answer = json.loads(shown.out)
    assert answer["dangerous"] is True
    (node,) = answer["nodes"]
    assert [(found["severity"], found["what"]) for found in node["findings"]] == [
        ("dangerous", "API.Authorizations")
    ]
    assert all(found["mend"] for found in node["findings"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rpc", "127.0.0.1:5001"], "--rpc is an address such as http://127.0.0.1:5001"),
        (["--rpc", "http://x", "--token-file", "/no"], "--token-file /no: No such file"),
        (["--rpc", "http://x", "--repo", "/etc"], "--repo /etc holds no Kubo repository"),
        ([], "is not running"),
    ],
)
def test_bad_words_are_one_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    status, shown = doctor(*words, capsys=capsys)
    assert status == 1
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_node_that_does_not_answer_or_refuses_is_a_danger(
    well: KuboNode, unused_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for url, word in (
        (f"http://127.0.0.1:{unused_port}", "does not answer"),
        (well.rpc_url, "answers 403"),
    ):
        status, shown = doctor("--rpc", url, capsys=capsys)
        assert status == 1
        assert word in shown.out
