"""The `pinhole` command: what it prints, and its exit status."""

import asyncio
import json
from pathlib import Path

import pytest

from pinhole import cli
from pinhole.contract.scopes import TokenOption
from pinhole.runtime.postgres import create_pool
from pinhole.runtime.tokens import PostgresTokens, Token, hash_of
from pinhole.stack.layout import HOME_VARIABLE, Layout
from pinhole.stack.topology import tokens_file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every command away from the state of whoever runs the tests."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv("PINHOLE_POSTGRES_DSN", raising=False)
    return tmp_path / "home"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("up", "status", "logs", "down", "reset", "tokens", "doctor"):
        assert f"\n    {command} " in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["up", "--port", "70000"], "'70000' is not a port between 1 and 65535"),
        (["up", "--fps", "0"], "'0' is not a rate above 0 and up to 60"),
        (["tokens", "create", "--scope", "everything"], "invalid choice: 'everything'"),
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_a_word_that_is_wrong_is_named_with_what_is_allowed(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_failure_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--source", "dir:/not/there"]) == 1
    shown = capsys.readouterr().err
    assert shown == "pinhole: --source dir:/not/there: /not/there is not a directory\n"


def test_no_cameras_and_a_source_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--no-cameras", "--source", "usb:0"]) == 1
    assert "exclude each other" in capsys.readouterr().err


def test_status_says_that_nothing_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 3
    assert capsys.readouterr().out == f"Pinhole is not running (state in {home})\n"


def test_down_when_nothing_runs_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == "Pinhole is not running\n"


def test_tokens_without_a_running_stack_say_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["tokens", "ls"]) == 1
    assert "start it with `pinhole up`" in capsys.readouterr().err


def test_a_token_is_made_used_listed_and_revoked(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PINHOLE_POSTGRES_DSN", postgres_dsn)
    assert cli.main(["tokens", "create", "--name", "n8n", "--scope", "inference"]) == 0
    assert capsys.readouterr().out.startswith("pnh_")
    assert cli.main(["tokens", "create", "--name", "n8n", "--scope", "inference"]) == 1
    assert capsys.readouterr().err == (
        "pinhole: there is a token 'n8n' already; each name is used once\n"
    )
    assert cli.main(["tokens", "revoke", "n8n"]) == 0
    assert cli.main(["tokens", "revoke", "n8n"]) == 1
    capsys.readouterr()
    assert cli.main(["tokens", "ls"]) == 0
    shown = capsys.readouterr().out.split()
    assert shown[:2] == ["n8n", "revoked"]
    assert shown[3:] == ["inference", "all", "cameras"]


def test_a_token_for_the_detector_is_in_its_list_until_it_is_revoked(
    home: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINHOLE_POSTGRES_DSN", postgres_dsn)
    file = tokens_file(Layout(home))
    file.parent.mkdir(parents=True)
    cli.main(["tokens", "create", "--name", "n8n", "--scope", "inference", "--scope", "pins:write"])
    cli.main(["tokens", "create", "--name", "city", "--scope", "frames:read"])
    assert [entry["name"] for entry in json.loads(file.read_text())] == ["n8n"]
    cli.main(["tokens", "revoke", "n8n"])
    assert json.loads(file.read_text()) == []


def test_reset_deletes_only_what_was_confirmed(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "kubo").mkdir(parents=True)
    monkeypatch.setattr("sys.stdin.readline", lambda: "yes\n")
    assert cli.main(["reset"]) == 1
    assert home.exists()
    monkeypatch.setattr("sys.stdin.readline", lambda: "delete\n")
    assert cli.main(["reset"]) == 0
    assert not home.exists()
    assert "every frame" in capsys.readouterr().out


def test_a_checkout_keeps_its_state_in_itself_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.chdir(tmp_path)
    cli.main(["status"])
    assert f"state in {Path(cli.__file__).parents[1] / '.pinhole'}" in capsys.readouterr().out


def test_a_token_for_an_outside_client_has_its_options(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    postgres_dsn: str,
) -> None:
    monkeypatch.setenv("PINHOLE_POSTGRES_DSN", postgres_dsn)
    create = ["tokens", "create", "--name", "estuary", "--scope", "pins:read"]
    origins = ["--origin-peer", "12D3KooWa", "--origin-network", "10.0.0.0/8"]
    assert cli.main([*create, "--unfinished-in-lists", *origins]) == 0
    secret = capsys.readouterr().out.strip()

    async def found() -> Token | None:
        async with await create_pool(postgres_dsn, max_size=1) as pool:
            return await PostgresTokens(pool).find(hash_of(secret))

    token = asyncio.run(found())
    assert token is not None
    assert token.options == {
        TokenOption.UNFINISHED_IN_LISTS: True,
        TokenOption.ORIGIN_PEERS: ["12D3KooWa"],
        TokenOption.ORIGIN_NETWORKS: ["10.0.0.0/8"],
    }
    assert cli.main(["tokens", "ls"]) == 0
    listed = "origin_networks=10.0.0.0/8  origin_peers=12D3KooWa  unfinished_in_lists=yes\n"
    assert capsys.readouterr().out.endswith(listed)


def test_a_network_that_is_none_is_refused_before_a_token_is_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["tokens", "create", "--scope", "pins:read", "--origin-network", "10.0.0.1/8"])
    assert "10.0.0.1/8 has host bits set" in capsys.readouterr().err
