"""The camera's key: made once, never overwritten, never shown."""

import stat
import threading
from pathlib import Path

import pytest

from camera_uploader.identity import BadKey, load_or_make, public_key_file
from pinhole.contract.signing import Ed25519Key


def test_the_first_start_makes_a_key_and_writes_the_public_half_beside_it(tmp_path: Path) -> None:
    key_file = tmp_path / "etc" / "camera.key"

    signer = load_or_make(key_file)

    assert key_file.read_text().startswith("whsk_")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    public = public_key_file(key_file).read_text().strip()
    assert Ed25519Key.parse(public).public == signer.public.public


def test_the_next_start_uses_the_same_key(tmp_path: Path) -> None:
    key_file = tmp_path / "camera.key"

    assert load_or_make(key_file).export() == load_or_make(key_file).export()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camera.key", "camera.key.pub"]


def test_a_public_half_of_another_key_is_replaced(tmp_path: Path) -> None:
    key_file = tmp_path / "camera.key"
    signer = load_or_make(key_file)
    public_key_file(key_file).write_text("whpk_old\n")

    load_or_make(key_file)

    assert public_key_file(key_file).read_text().strip() == str(signer.public)


def test_a_file_that_is_no_key_is_refused_and_kept_and_not_repeated(tmp_path: Path) -> None:
    key_file = tmp_path / "camera.key"
    key_file.write_text("whsk_this is not base64 but may be a secret\n")

    with pytest.raises(BadKey) as refused:
        load_or_make(key_file)

    assert "may be a secret" not in refused.value.details
    assert key_file.read_text().startswith("whsk_this")


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    key_file, keys = tmp_path / "camera.key", []
    barrier = threading.Barrier(4)

    def start() -> None:
        barrier.wait()
        keys.append(load_or_make(key_file).export())

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 4
    assert set(keys) == {key_file.read_text().strip()}
