"""Where the stack keeps its state: everything below one directory."""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "PINHOLE_HOME"
DEFAULT_NAME = ".pinhole"
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Layout:
    """The places below `home`; only its owner may enter it."""

    home: Path

    @classmethod
    def here(cls) -> "Layout":
        """Return the layout of PINHOLE_HOME, else of `.pinhole` in the checkout.

        A Pinhole that was installed without its checkout keeps it in the working directory.
        """
        named = os.environ.get(HOME_VARIABLE)
        if named:
            return cls(Path(named).expanduser().resolve())
        is_checkout = (_CHECKOUT / "pyproject.toml").exists()
        return cls((_CHECKOUT if is_checkout else Path.cwd()) / DEFAULT_NAME)

    def make(self) -> None:
        """Create `home`, closed to everyone else."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run_dir.mkdir(mode=0o700, exist_ok=True)

    @property
    def run_dir(self) -> Path:
        """What belongs to one run: the lock and the state."""
        return self.home / "run"

    @property
    def postgres_dir(self) -> Path:
        """PostgreSQL's cluster."""
        return self.home / "postgres"

    @property
    def ports_file(self) -> Path:
        """The ports chosen at the first start."""
        return self.home / "ports.json"

    def secrets_dir(self, owner: str) -> Path:
        """Return the directory of one service's secrets, one file each."""
        return self.home / "secrets" / owner

    def kubo_dir(self, node: str) -> Path:
        """Return a Kubo node's repository."""
        return self.home / "kubo" / node

    def camera_dir(self, camera: str) -> Path:
        """Return a camera's own directory: its spool, and what it was enrolled with."""
        return self.home / "cameras" / camera

    def log(self, program: str) -> Path:
        """Return a program's log."""
        return self.home / "logs" / f"{program}.log"

    def logs(self) -> list[Path]:
        """Return every log there is, by name."""
        return sorted((self.home / "logs").glob("*.log"))
