"""The other documents: what they point at is there."""

import re
from pathlib import Path

import pytest

from tests.deploy.composition import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "models/*.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(
    r"`((?:pinhole|camera_uploader|dashboard_gateway|pinning|yolo_fetcher|deploy|tools|bench|tests)"
    r"/[A-Za-z0-9_./-]+)`"
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`]*`", "", text)
    missing = [link for link in _LINK.findall(prose) if not (document.parent / link).exists()]
    missing += [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def test_the_licence_is_the_affero_general_public_licence() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE\n                       Version 3" in licence
    assert "13. Remote Network Interaction" in licence
    assert licence.rstrip().endswith("<https://www.gnu.org/licenses/>.")
    assert 'license = "AGPL-3.0-or-later"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_alert_that_the_operator_is_told_of_exists() -> None:
    told = set(re.findall(r"`(Pinhole[A-Z]\w+)`", (ROOT / "docs/operations.md").read_text()))
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
    assert told
    assert told <= set(re.findall(r"alert: (\w+)", rules))
