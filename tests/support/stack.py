"""The whole system for tests: what `pinhole up` starts, in a home of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from pinhole.stack.layout import HOME_VARIABLE, Layout
from pinhole.stack.ports import unused_port
from pinhole.stack.run_state import RunState, read

# A cold start migrates three schemas, makes three Kubo repositories and loads the network.
_START_TIMEOUT_S = 90
_ROOT = Path(__file__).parents[2]

FRAMES = """
    SELECT f.*, c.name AS camera FROM dashboard.frames f
    JOIN dashboard.cameras c USING (camera_id) ORDER BY frame_id
"""


@dataclass(frozen=True)
class RunningStack:
    """A running `pinhole up`, seen from outside: its page, its processes, its database."""

    home: Path
    url: str
    token: str

    @property
    def layout(self) -> Layout:
        """Where it keeps its state."""
        return Layout(self.home)

    @property
    def state(self) -> RunState:
        """What it publishes of itself."""
        state = read(self.layout)
        assert state is not None, "the stack has ended"
        return state

    def pid(self, program: str) -> int | None:
        """Return the process of a program, None while it is not running."""
        return {standing.name: standing.pid for standing in self.state.programs}[program]

    def kill(self, program: str) -> None:
        """Kill a program as a power cut would: SIGKILL to its whole process group."""
        pid = self.pid(program)
        assert pid is not None, f"{program} is not running"
        os.killpg(pid, signal.SIGKILL)

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """Ask the dashboard as a program with the scope frames:read."""
        return requests.get(
            self.url + path,
            params=parameters,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def frames(self) -> list[dict[str, Any]]:
        """Return every frame row, oldest first."""
        return self.query(FRAMES)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        with psycopg.connect(self.state.dsn, row_factory=dict_row) as connection:
            return connection.execute(sql.encode()).fetchall()

    def spooled(self, camera: str) -> list[tuple[int, str, str]]:
        """Return (seq, cid, state) of every event that a camera ever spooled, oldest first."""
        path = self.layout.camera_dir(camera) / "spool" / "spool.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            return spool.execute("SELECT seq, cid, state FROM event ORDER BY seq").fetchall()


def pinhole(home: Path, *words: str) -> str:
    """Run the `pinhole` command on the stack in `home` and return what it prints."""
    done = subprocess.run(
        (sys.executable, "-m", "pinhole.cli", *words),
        env={**os.environ, HOME_VARIABLE: str(home)},
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"pinhole {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def running_stack(home: Path, *words: str) -> Iterator[RunningStack]:
    """Run `pinhole up` with further words for the length of a `with` block."""
    port = unused_port()
    pinhole(home, "up", "--detach", "--port", str(port), *words)
    try:
        created = pinhole(
            home, "tokens", "create", "--name", "tests", "--scope", "frames:read"
        ).split()
        (token,) = (word for word in created if word.startswith("pnh_"))
        yield RunningStack(home, f"http://127.0.0.1:{port}", token)
    finally:
        pinhole(home, "down")
