"""An n8n workflow, run as n8n runs it: the nodes and expressions that ours use, and no others.

The HTTP requests are made by the caller, so that they go to real services.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = Any

_EXPRESSION = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_STRINGIFY = re.compile(r"JSON\.stringify\((.+)\)")
_ROOT = re.compile(r"\$json|\$\('(?P<node>[^']+)'\)\.item\.json")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


@dataclass(frozen=True)
class Call:
    """One HTTP request of the workflow."""

    node: str
    method: str
    url: str
    query: dict[str, str]
    body: bytes
    credential: tuple[str, str]
    """Its kind and name; the value is n8n's secret."""


@dataclass(frozen=True)
class Answer:
    """What the webhook's caller gets."""

    status: int
    headers: dict[str, str]
    body: Json


Send = Callable[[Call], Awaitable[Json]]


@dataclass
class Workflow:
    """A workflow's file. `addresses` replaces what its node *Addresses* says."""

    path: Path
    addresses: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.document: dict[str, Json] = json.loads(self.path.read_text(encoding="utf-8"))
        self.nodes = {node["name"]: node for node in self.document["nodes"]}
        self._outputs: dict[str, Json] = {}

    async def run(self, body: Json, send: Send) -> Answer:
        """Let a webhook with `body` in and follow the connections to the answer."""
        (name,) = (name for name, node in self.nodes.items() if _type(node) == "webhook")
        output: Json = {"headers": {}, "params": {}, "query": {}, "body": body}
        way = 0
        while True:
            self._outputs[name] = output
            (following,) = self.document["connections"][name]["main"][way]
            name, incoming, way = following["node"], output, 0
            node, parameters = self.nodes[name], self.nodes[name]["parameters"]
            match _type(node):
                case "set":
                    output = self._assignments(parameters)
                case "httpRequest":
                    call = self._call(node, incoming)
                    self.calls.append(call)
                    output = await send(call)
                case "if":
                    way = 0 if self._holds(parameters, incoming) else 1
                    output = incoming
                case "respondToWebhook":
                    return self._answer(parameters, incoming)
                case other:
                    raise AssertionError(f"{name} is a {other}, which is not run here")

    def _assignments(self, parameters: dict[str, Json]) -> Json:
        given = {one["name"]: one["value"] for one in parameters["assignments"]["assignments"]}
        assert set(self.addresses) >= set(given)
        return {name: self.addresses[name] for name in given}

    def _call(self, node: dict[str, Json], incoming: Json) -> Call:
        parameters = node["parameters"]
        assert parameters["authentication"] == "genericCredentialType"
        kind = parameters["genericAuthType"]
        body = self._value(parameters["jsonBody"], incoming)
        pairs = parameters.get("queryParameters", {"parameters": []})["parameters"]
        assert parameters["specifyBody"] == "json"
        json.loads(body)  # n8n refuses a body that is no JSON
        return Call(
            node=node["name"],
            method=parameters["method"],
            url=self._value(parameters["url"], incoming),
            query={pair["name"]: self._value(pair["value"], incoming) for pair in pairs},
            body=body.encode(),
            credential=(kind, node["credentials"][kind]["name"]),
        )

    def _holds(self, parameters: dict[str, Json], incoming: Json) -> bool:
        (condition,) = parameters["conditions"]["conditions"]
        left = self._value(condition["leftValue"], incoming)
        match condition["operator"]["operation"]:
            case "equals":
                return bool(left == condition["rightValue"])
            case "notEmpty":
                return left not in (None, "")
            case other:
                raise AssertionError(f"the operation {other} is not run here")

    def _answer(self, parameters: dict[str, Json], incoming: Json) -> Answer:
        options = parameters["options"]
        entries = options.get("responseHeaders", {"entries": []})["entries"]
        return Answer(
            status=options.get("responseCode", 200),
            headers={entry["name"]: entry["value"] for entry in entries},
            body=json.loads(self._value(parameters["responseBody"], incoming)),
        )

    def _value(self, text: str, incoming: Json) -> Json:
        """Return a parameter's value: text, or an expression where it begins with `=`."""
        if not text.startswith("="):
            return text
        template = text[1:]
        whole = _EXPRESSION.fullmatch(template)
        if whole:
            return self._evaluate(whole[1], incoming)
        return _EXPRESSION.sub(lambda found: str(self._evaluate(found[1], incoming)), template)

    def _evaluate(self, expression: str, incoming: Json) -> Json:
        inner = _STRINGIFY.fullmatch(expression)
        if inner:
            return json.dumps(self._evaluate(inner[1], incoming))
        root = _ROOT.match(expression)
        assert root, f"{expression} is not evaluated here"
        value = self._outputs[root["node"]] if root["node"] else incoming
        rest = expression[root.end() :]
        assert re.fullmatch(rf"(?:{_STEP.pattern})*".replace("?P<name>", "?:").replace(
            "?P<index>", "?:"), rest), f"{expression} is not evaluated here"  # fmt: skip
        for step in _STEP.finditer(rest):
            value = value[int(step["index"])] if step["index"] else (value or {}).get(step["name"])
        return value


def _type(node: dict[str, Json]) -> str:
    kind: str = node["type"]
    return kind.removeprefix("n8n-nodes-base.")
