"""deploy/make-secrets.sh: secrets that only their owner and the containers read."""

import stat
import subprocess
from pathlib import Path

from pinhole.contract.signing import Ed25519Signer
from pinhole.runtime.tokens import MAX_LENGTH, PREFIX
from tests.deploy.composition import ROOT

SCRIPT = ROOT / "deploy" / "make-secrets.sh"


def make(directory: Path) -> dict[str, str]:
    subprocess.run([SCRIPT, directory], check=True, capture_output=True, umask=0o022)
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_every_start_finds_the_secrets_of_the_first(tmp_path: Path) -> None:
    first = make(tmp_path / "secrets")
    assert make(tmp_path / "secrets") == first
    assert first != make(tmp_path / "elsewhere")


def test_a_missing_secret_is_made_beside_the_others(tmp_path: Path) -> None:
    first = make(tmp_path / "secrets")
    (tmp_path / "secrets" / "yolo_pinning_token").unlink()
    second = make(tmp_path / "secrets")
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"yolo_pinning_token"}


def test_nobody_else_on_the_host_can_reach_them(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    # Compose mounts the file as it is, into containers whose user has another number.
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    assert modes == {0o444}


def test_each_is_what_its_reader_expects(tmp_path: Path) -> None:
    made = make(tmp_path / "secrets")
    for name in ("dashboard_pinning_token", "dashboard_yolo_token", "yolo_pinning_token"):
        assert made[name].startswith(PREFIX)
        assert len(PREFIX) + 40 < len(made[name]) <= MAX_LENGTH
    assert f":{made['postgres_password']}@postgres:5432/" in made["pinhole_postgres_dsn"]
    assert made["camera_key"] == Ed25519Signer.parse(made["camera_key"]).export()
    first, second, key, end = made["swarm_key"].split("\n")
    assert (first, second, end) == ("/key/swarm/psk/1.0.0/", "/base16/", "")
    assert len(bytes.fromhex(key)) == 32
    # 32 random bytes, told apart from one another.
    assert len(set(made.values())) == len(made)
