"""The commands about users, as an operator and `pinhole up` run them."""

import json
from typing import Any

import pytest

from dashboard_gateway.__main__ import main

Commands = Any


@pytest.fixture
def users(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """Run `python -m dashboard_gateway users …` on this test's database; give what it answers."""
    monkeypatch.setenv("DASHBOARD_POSTGRES_DSN", postgres_dsn)

    def run(*words: str, status: int = 0) -> Any:
        got = main(["users", *words, "--json"])
        said = capsys.readouterr()
        assert got == status, said.err
        return json.loads(said.out) if status == 0 else said.err

    return run


def test_the_first_administrator_is_made_once_with_a_one_time_password(users: Commands) -> None:
    first = users("add-admin")
    assert (first["name"], first["created"], first["must_change_password"]) == ("admin", True, True)
    assert len(first["password"]) == 19
    again = users("add-admin")
    assert again == {"name": "admin", "created": False, "must_change_password": True}


def test_a_user_is_made_with_grants_or_not_at_all(users: Commands) -> None:
    assert "NO_SUCH_CAMERA" in users("add", "ada", "--to", "city/gate", status=1)
    assert users("ls") == {"users": []}
    made = users("add", "ada", "--to", "city")
    assert made["role"] == "viewer"
    assert users("ls")["users"][0]["grants"] == ["city"]
    assert "NAME_TAKEN" in users("add", "ada", status=1)


def test_grants_are_given_and_taken_back(users: Commands) -> None:
    users("add", "ada")
    users("grant", "ada", "--to", "city", "--to", "town")
    assert users("ls")["users"][0]["grants"] == ["city", "town"]
    # A camera that does not exist must not take the whole site's grant with it.
    assert users("revoke", "ada", "--to", "city/gate")["revoked"] == []
    assert users("revoke", "ada", "--to", "city")["revoked"] == ["city"]
    assert users("ls")["users"][0]["grants"] == ["town"]


def test_a_reset_gives_another_one_time_password(users: Commands) -> None:
    first = users("add", "ada")["password"]
    second = users("reset", "ada")["password"]
    assert first != second
    assert users("ls")["users"][0]["must_change_password"]


def test_a_disabled_user_is_listed_as_such(users: Commands) -> None:
    users("add", "ada", "--admin")
    users("disable", "ada")
    assert users("ls")["users"][0]["disabled_at"] is not None


@pytest.mark.parametrize(
    "words",
    [
        ("grant", "nobody", "--to", "city"),
        ("disable", "nobody"),
        ("reset", "nobody"),
        ("add", "  "),
        ("add", "ada", "--to", "City Hall"),
        ("add", "ada", "--to", "city/"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    users: Commands, words: tuple[str, ...]
) -> None:
    said = users(*words, status=1)
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_people_are_answered_in_words(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DASHBOARD_POSTGRES_DSN", postgres_dsn)
    for words, expected in (
        (["add", "ada", "--to", "city"], "ada may log in with the one-time password "),
        (["ls"], "ada  viewer  sees city\n"),
        (["grant", "ada", "--to", "town"], "ada sees town\n"),
        (["revoke", "ada", "--to", "town"], "taken from ada: town\n"),
        (["revoke", "ada", "--to", "town"], "taken from ada: nothing, it had none\n"),
        (["disable", "ada"], "ada may not log in any more\n"),
        (["add-admin"], "admin may log in with the one-time password "),
        (["add-admin"], "admin is there already\n"),
    ):
        assert main(["users", *words]) == 0
        assert capsys.readouterr().out.startswith(expected)
