"""Prometheus and Grafana: every metric and label that they name is one that a service exports."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from tests.deploy import composition, dockerfile
from tests.deploy.composition import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "way-of-a-frame.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCRAPES = ROOT / "deploy" / "prometheus" / "prometheus.yml"
PACKAGES = ("pinhole", "camera_uploader", "dashboard_gateway", "pinning", "yolo_fetcher")

# Of Prometheus itself, and of its Python client.
FOREIGN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
# Added by Prometheus to whatever it scrapes.
TARGET_LABELS = {"job", "instance"}
_SUFFIX = re.compile(r"_(bucket|count|sum|total)$")


def exported() -> dict[str, set[str]]:
    """Return the labels of every metric of ours, by its name without the kind's suffix."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*metrics.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            name = _SUFFIX.sub("", collector._name)
            found[name] = set(collector._labelnames) | TARGET_LABELS | {"le"}
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Yield (where it stands, the expression) of every alert and panel."""
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


ALL = dict(expressions())


@pytest.mark.parametrize("where", ALL)
def test_every_metric_named_is_exported_with_the_labels_named(where: str) -> None:
    known = exported()
    expression = ALL[where]
    names = set(re.findall(r"\b(?:pinhole|process)_[a-z_]+|\bup\b", _without_strings(expression)))
    assert names
    labels: set[str] = set()
    for name in names - FOREIGN:
        plain = _SUFFIX.sub("", name)
        assert plain in known, f"{where} asks for {name}, which nobody exports"
        labels |= known[plain]
    asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        asked |= {label.strip() for label in grouping.split(",")}
    assert asked <= labels | TARGET_LABELS, f"{where} asks for labels that {names} do not have"


def test_legends_name_labels_that_the_series_have() -> None:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                grouped = re.findall(r"\bby \(([^)]*)\)", target["expr"])
                kept = {word.strip() for words in grouped for word in words.split(",")}
                assert not grouped or label in kept, f"{panel['title']}: {target}"


def test_the_dashboard_is_what_its_script_writes(tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    copy = tmp_path / "render.py"
    copy.write_bytes((GRAFANA / "render.py").read_bytes())
    subprocess.run([sys.executable, copy], check=True)
    written = (tmp_path / "dashboards" / DASHBOARD.name).read_text(encoding="utf-8")
    assert DASHBOARD.read_text(encoding="utf-8") == written, "run deploy/grafana/render.py"


def test_the_dashboard_goes_from_left_to_right_as_a_frame_does() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    heads = sorted(
        (panel for panel in panels if panel["type"] == "stat"),
        key=lambda panel: panel["gridPos"]["x"],
    )
    assert [panel["title"] for panel in heads] == [
        "Captured", "Received", "Pinned", "Inferred", "Shown"
    ]  # fmt: skip
    _assert_no_two_overlap(panels)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert len(rule["annotations"]["summary"]) > 10
            assert len(rule["annotations"]["action"]) > 20


def test_prometheus_asks_the_services_where_compose_has_them() -> None:
    compose = composition.read()
    prometheus = composition.networks_of(compose["services"]["prometheus"])
    for job in yaml.safe_load(SCRAPES.read_text(encoding="utf-8"))["scrape_configs"]:
        for lookup in job.get("dns_sd_configs", []):
            (name,) = lookup["names"]
            service = compose["services"][name]
            assert prometheus & composition.networks_of(service), f"{name} is out of reach"
            environment = dockerfile.environment(service["build"]["target"])
            assert environment["PINHOLE_HEALTH_PORT"] == str(lookup["port"])


def test_prometheus_shows_the_token_that_the_services_ask_for() -> None:
    compose = composition.read()
    assert compose["services"]["prometheus"]["secrets"] == ["metrics_token"]
    jobs = yaml.safe_load(SCRAPES.read_text(encoding="utf-8"))["scrape_configs"]
    asked = {job["job_name"]: job for job in jobs}
    for name in ("dashboard", "pinning", "yolo"):
        given = {"source": "metrics_token", "target": f"{name}_metrics_token"}
        assert given in compose["services"][name]["secrets"]
        assert asked[name]["authorization"] == {"credentials_file": "/run/secrets/metrics_token"}
    # The camera's port is on no network that strangers reach, and asks for none.
    assert "authorization" not in asked["camera"]


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    provisioning = GRAFANA / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "pinhole.yml").read_text())[
        "providers"
    ]
    assert source["url"] == "http://prometheus:9090"
    uids = set(re.findall(r'"uid": "(\w+)"', DASHBOARD.read_text(encoding="utf-8")))
    assert source["uid"] in uids
    volumes = composition.read()["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in volumes


def _without_strings(expression: str) -> str:
    return re.sub(r'"[^"]*"', '""', expression)


def _assert_no_two_overlap(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
