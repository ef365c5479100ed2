"""The image: every target is hash-locked, runs as nobody special, and says how it is."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deploy import dockerfile
from tests.deploy.composition import ROOT

SERVICES = {
    "camera": "camera_uploader",
    "dashboard": "dashboard_gateway",
    "pinning": "pinning",
    "yolo": "yolo_fetcher",
    "yolo-slim": "yolo_fetcher",
}


@pytest.mark.parametrize(("target", "module"), SERVICES.items())
def test_a_target_runs_its_service_as_an_ordinary_user(target: str, module: str) -> None:
    assert dockerfile.last(target, "CMD") == f'["python", "-m", "{module}"]'
    assert dockerfile.last(target, "USER") == "pinhole"
    assert dockerfile.last(target, "ENTRYPOINT") == '["tini", "--"]'
    assert (ROOT / module / "__main__.py").exists()


@pytest.mark.parametrize("target", SERVICES)
def test_a_target_says_how_it_is(target: str) -> None:
    assert "healthy.py" in (dockerfile.last(target, "HEALTHCHECK") or "")
    environment = dockerfile.environment(target)
    port = environment["PINHOLE_HEALTH_PORT"]
    exposed = dockerfile.stages()[target].all("EXPOSE")
    assert exposed in ([port], [])
    assert port in {value for key, value in environment.items() if key.endswith("_PORT")}


@pytest.mark.parametrize("target", SERVICES)
def test_a_target_installs_its_own_lock_by_hashes(target: str) -> None:
    stage = dockerfile.stages()[f"install-{target}"]
    commands = " ".join(stage.all("RUN"))
    assert f"requirements/{target}.lock" in commands
    assert (ROOT / "requirements" / f"{target}.lock").exists()
    # Every `pip install` is by hash, or of our own wheel, or of torch from the index one chose.
    for command in commands.split("pip install")[1:]:
        free = ("--no-deps /wheel/", '--index-url "$TORCH_INDEX_URL" -r torch.txt')
        assert "--require-hashes" in command or any(part in command for part in free), command


def test_torch_is_the_cpu_build_unless_one_says_otherwise() -> None:
    assert dockerfile.arguments()["TORCH_INDEX_URL"] == "https://download.pytorch.org/whl/cpu"


def test_the_wheel_is_made_of_every_package_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = " ".join(dockerfile.stages()["wheel"].all("COPY"))
    context = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for pattern in packages:
        package = pattern.rstrip("*")
        assert f"{package}/ {package}/" in copied
        assert f"!{package}" in context


def test_what_is_copied_is_in_the_build_context() -> None:
    context = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line.removeprefix("!") for line in context if line.startswith("!")]
    for stage in dockerfile.stages().values():
        for copy in stage.all("COPY"):
            words = [word for word in copy.split() if not word.startswith("--")]
            if "--from=" in copy:
                continue
            for source in words[:-1]:
                assert any(source.rstrip("/").startswith(part) for part in kept), source
                assert (ROOT / source).exists(), source


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    """Templates, scripts and migrations are no modules: setuptools leaves out what is not named."""
    context = tmp_path / "context"
    context.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (context / name).write_bytes((ROOT / name).read_bytes())
    wanted = set()
    for package in sorted({*SERVICES.values(), "pinhole"}):
        leave_out = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        shutil.copytree(ROOT / package, context / package, ignore=leave_out)
        files = (path for path in (context / package).rglob("*") if path.is_file())
        wanted |= {str(path.relative_to(context)) for path in files}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, "."], cwd=context, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert wanted - set(archive.namelist()) == set()
