"""Secrets are made once, whole, and for their owner only."""

from pathlib import Path

from pinhole.stack import secret_files


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    made = iter(("first", "second"))
    path = tmp_path / "secrets" / "token"
    assert secret_files.kept(path, lambda: next(made)) == "first"
    assert secret_files.kept(path, lambda: next(made)) == "first"


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "token"
    secret_files.write(path, "hidden")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_a_crash_left_half_written_does_not_hinder(tmp_path: Path) -> None:
    path = tmp_path / "token"
    (tmp_path / "token.new").write_text("half")
    secret_files.write(path, "whole")
    assert path.read_text() == "whole"
