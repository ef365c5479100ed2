"""Write the Grafana dashboard "The way of a frame".

Five columns from left to right, as a frame goes: captured, received, pinned, inferred, shown. Below
each other: how many, how long, what waits, what went wrong.

    python deploy/grafana/render.py
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "dashboards" / "way-of-a-frame.json"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
# Grafana's grid has 24 columns; five stations leave four for the table of alarms beneath.
COLUMNS: Final = (0, 5, 10, 15, 20)
WIDTHS: Final = (5, 5, 5, 5, 4)

Panel = dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """Some series over time: what each is called, by its expression."""

    title: str
    series: dict[str, str]
    unit: str = "short"


@dataclass(frozen=True)
class Station:
    """One column: a step of the way."""

    name: str
    what: str
    """What the number at its head counts."""
    rate: str
    times: Graph
    waiting: Graph
    wrong: Graph
    more: list[Graph] = field(default_factory=list)


def quantiles(histogram: str, by: str = "", where: str = "") -> dict[str, str]:
    """Return p50 and p99 of a histogram, split by a label if one is given."""
    labels = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return {
        f"p{percent}{name}": f"histogram_quantile({percent / 100:g}, sum by ({labels}) "
        f"(rate({histogram}_bucket{where}[$__rate_interval])))"
        for percent in (50, 99)
    }


def rate(counter: str, by: str = "", where: str = "") -> str:
    """Return the rate a second of a counter, summed, or by a label."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({counter}{where}[$__rate_interval]))"


_PICTURE: Final = '{service="dashboard_gateway",route="/ipfs/{cid}"}'
_EVENTS: Final = '{service="dashboard_gateway",route="/api/v1/events"}'

STATIONS: Final = (
    Station(
        "Captured",
        "frames/s stored beside the camera",
        rate("pinhole_camera_frames_total"),
        Graph("A frame's steps", quantiles("pinhole_camera_step_seconds", "step"), "s"),
        Graph("Spool", {"{{instance}} {{state}}": "pinhole_camera_spool_events"}),
        Graph(
            "Not taken, not delivered",
            {
                "refused: {{reason}}": rate("pinhole_camera_refused_total", "reason"),
                "delivery: {{outcome}}": rate(
                    "pinhole_camera_deliveries_total", "outcome", '{outcome!="received"}'
                ),
                "alarm: {{kind}}": rate("pinhole_camera_alarms_total", "kind"),
            },
        ),
        [
            Graph(
                "Bytes captured, blocks pushed",
                {
                    "bytes": rate("pinhole_camera_frame_bytes_total"),
                    "pushed blocks": rate("pinhole_camera_blocks_pushed_total"),
                },
                "Bps",
            ),
            Graph(
                "Since the last capture, clock",
                {
                    "{{instance}} silent": "time() - pinhole_camera_last_capture_timestamp_seconds",
                    "{{instance}} clock": "pinhole_camera_clock_offset_seconds",
                },
                "s",
            ),
        ],
    ),
    Station(
        "Received",
        "events/s acknowledged after their commit",
        rate("pinhole_ingest_events_total", where='{outcome="accepted"}'),
        Graph(
            "Webhook, commit",
            {
                f"webhook {name}": text
                for name, text in quantiles("pinhole_http_request_seconds", where=_EVENTS).items()
            }
            | {
                f"commit {name}": text
                for name, text in quantiles("pinhole_ingest_commit_seconds").items()
            },
            "s",
        ),
        Graph(
            "Waiting for commit, jobs",
            {
                "events": "sum(pinhole_ingest_waiting_events)",
                "{{entrypoint}} {{state}}": "max by (entrypoint, state) (pinhole_queue_jobs)",
            },
        ),
        Graph(
            "Refused, rejected",
            {
                "delivery: {{reason}}": rate("pinhole_ingest_refused_total", "reason"),
                "event: {{reason}}": rate("pinhole_ingest_rejected_total", "reason"),
            },
        ),
        [
            Graph(
                "Events in one commit, bytes pushed",
                quantiles("pinhole_ingest_commit_events")
                | {"pushed bytes/s": rate("pinhole_ingest_pushed_bytes_total")},
            ),
            Graph("Oldest job", {"due since": "max(pinhole_queue_oldest_due_seconds)"}, "s"),
        ],
    ),
    Station(
        "Pinned",
        "blocks/s verified and held at the hub",
        rate("pinhole_pinning_attempts_total", where='{outcome="pinned"}'),
        Graph(
            "Fetch, keep",
            {
                f"fetch {name}": text
                for name, text in quantiles("pinhole_pinning_fetch_seconds", "source").items()
            }
            | {
                f"keep {name}": text
                for name, text in quantiles("pinhole_pinning_keep_seconds").items()
            },
            "s",
        ),
        Graph(
            "Not pinned yet, not removed yet",
            {
                "{{status}}": "max by (status) (pinhole_pinning_pins)",
                "releasing": "max(pinhole_pinning_releasing)",
            },
        ),
        Graph(
            "Attempts that came to nothing",
            {
                "{{outcome}}": rate(
                    "pinhole_pinning_attempts_total", "outcome", '{outcome!="pinned"}'
                )
            },
        ),
        [
            Graph(
                "Bytes fetched, blocks in one commit",
                {"{{source}} bytes/s": rate("pinhole_pinning_fetched_bytes_total", "source")}
                | {
                    f"blocks {name}": text
                    for name, text in quantiles("pinhole_pinning_keep_batch_blocks").items()
                },
            ),
            Graph(
                "Oldest pin, hub, trees",
                {
                    "oldest unsettled (s)": "max(pinhole_pinning_oldest_unsettled_seconds)",
                    "hub answers": "min(pinhole_pinning_hub_up)",
                    "trees": "max(pinhole_pinning_recursive_pins)",
                },
            ),
        ],
    ),
    Station(
        "Inferred",
        "pictures/s with detections",
        rate("pinhole_yolo_pictures_total", where='{outcome="detected"}'),
        Graph("A picture's stages", quantiles("pinhole_yolo_stage_seconds", "stage"), "s"),
        Graph(
            "In the detector, on their way",
            {
                "in the detector": "sum(pinhole_yolo_pictures_in_house)",
                "frames {{state}}": "max by (state) (pinhole_frames_unsettled)",
            },
        ),
        Graph(
            "Without detections",
            {
                "picture: {{outcome}}": rate(
                    "pinhole_yolo_pictures_total", "outcome", '{outcome!="detected"}'
                ),
                "journey: {{outcome}}": rate(
                    "pinhole_journeys_total", "outcome", '{outcome!="done"}'
                ),
            },
        ),
        [
            Graph("Pictures in one inference", quantiles("pinhole_yolo_batch_pictures")),
            Graph("Journey's steps", quantiles("pinhole_journey_step_seconds", "step"), "s"),
        ],
    ),
    Station(
        "Shown",
        "pictures/s served",
        rate("pinhole_http_request_seconds_count", where=_PICTURE),
        Graph("Picture", quantiles("pinhole_http_request_seconds", where=_PICTURE), "s"),
        Graph(
            "Requests a second",
            {"{{route}}": f"topk(8, {rate('pinhole_http_request_seconds_count', 'route')})"},
        ),
        Graph(
            "Answers that are errors",
            {
                "{{service}} {{status}}": rate(
                    "pinhole_http_request_seconds_count", "service, status", '{status=~"[45].."}'
                )
            },
        ),
        [
            Graph(
                "Processor",
                {"{{job}}": "sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))"},
                "percentunit",
            ),
            Graph("Memory", {"{{job}}": "sum by (job) (process_resident_memory_bytes)"}, "bytes"),
        ],
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[Panel] = []
    for column, width, station in zip(COLUMNS, WIDTHS, STATIONS, strict=True):
        panels.append(_number(station, column, width))
        graphs = (station.times, station.waiting, station.wrong, *station.more)
        panels += [_graph(graph, column, width, 5 + 7 * row) for row, graph in enumerate(graphs)]
    panels.append(_services())
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": "pinhole-way",
        "title": "The way of a frame",
        "description": "From left to right: captured, received, pinned, inferred, shown.",
        "tags": ["pinhole"],
        "schemaVersion": 41,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": panels,
    }


def _number(station: Station, column: int, width: int) -> Panel:
    return {
        "type": "stat",
        "title": station.name,
        "description": station.what,
        "datasource": SOURCE,
        "gridPos": {"x": column, "y": 0, "w": width, "h": 5},
        "targets": [_target(station.rate, "", "A")],
        "fieldConfig": {
            "defaults": {"unit": "ops", "noValue": "0", "color": {"mode": "palette-classic"}},
            "overrides": [],
        },
        "options": {"graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}},
    }


def _graph(graph: Graph, column: int, width: int, row: int) -> Panel:
    return {
        "type": "timeseries",
        "title": graph.title,
        "datasource": SOURCE,
        "gridPos": {"x": column, "y": row, "w": width, "h": 7},
        "targets": [
            _target(text, name, chr(ord("A") + number))
            for number, (name, text) in enumerate(graph.series.items())
        ],
        "fieldConfig": {
            "defaults": {"unit": graph.unit, "min": 0, "custom": {"fillOpacity": 8}},
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
    }


def _services() -> Panel:
    return {
        "type": "state-timeline",
        "title": "Services that answer",
        "datasource": SOURCE,
        "gridPos": {"x": 0, "y": 5 + 7 * 5, "w": 24, "h": 6},
        "targets": [_target('up{job!="prometheus"}', "{{job}} {{instance}}", "A")],
        "fieldConfig": {
            "defaults": {
                "mappings": [
                    {
                        "type": "value",
                        "options": {
                            "0": {"text": "away", "color": "red"},
                            "1": {"text": "answers", "color": "green"},
                        },
                    }
                ]
            },
            "overrides": [],
        },
        "options": {},
    }


def _target(expression: str, legend: str, reference: str) -> Panel:
    return {
        "refId": reference,
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend or "__auto",
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
