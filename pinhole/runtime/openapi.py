"""A service's OpenAPI document, made of its own routes and messages: it cannot say anything else.

Routes that are added with `add_route` say what they take and answer; others are in the document
with their path and first sentence only. Source: the OpenAPI Specification 3.1.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pinhole.contract.errors import ErrorBody
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import Handler

PATH: Final = "/openapi.json"

Schema = Mapping[str, Any]
_IN_PATH: Final = re.compile(r"{(\w+)}")
_REFERENCE: Final = "#/components/schemas/{model}"
_BEARER: Final = "bearer"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a query. A list is written with commas, an object as JSON."""

    name: str
    schema: Schema | Callable[[web.Application], Schema]
    """Or what makes it, where it depends on the service's settings."""
    description: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a route takes and answers."""

    scope: Scope | None = None
    query: Sequence[Parameter] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    body: type[BaseModel] | str | None = None
    """A message as JSON, or the media type of bytes."""
    answers: Mapping[int, type[BaseModel] | None] = field(default_factory=lambda: {200: None})
    """By status; None has no body."""
    headers: Mapping[str, Schema] = field(default_factory=dict)
    """Those of every answer that is a success."""


OPERATIONS: web.AppKey[dict[tuple[str, str], Operation]] = web.AppKey("operations", dict)
_INFO: web.AppKey[dict[str, str]] = web.AppKey("openapi_info", dict)


def add_route(
    app: web.Application, method: str, path: str, handler: Handler, operation: Operation
) -> None:
    """Add a route and describe it; one that answers GET answers HEAD too."""
    resource = app.router.add_resource(path)
    if method == "GET":
        resource.add_route("HEAD", handler)
    resource.add_route(method, handler)
    app.setdefault(OPERATIONS, {})[method, resource.canonical] = operation


def add_document(app: web.Application, *, title: str, version: str) -> None:
    """Serve the document of all routes, this one included; it asks for no credential.

    Args:
        app: the service.
        title: what the API is called.
        version: the API's, not the program's.
    """
    app[_INFO] = {"title": title, "version": version}
    app.router.add_get(PATH, _serve)


async def _serve(request: web.Request) -> web.Response:
    """Answer with this document."""
    return web.json_response(document(request.app))


def document(app: web.Application) -> dict[str, Any]:
    """Return the document of an application's routes."""
    operations = app.get(OPERATIONS, {})
    references, schemas = _schemas(operations.values())
    paths: dict[str, dict[str, Any]] = {}
    for method, path, handler in _routes(app):
        operation = operations.get((method, path))
        described = _described(app, operation, references) if operation is not None else {}
        paths.setdefault(path, {})[method.lower()] = {
            "summary": (handler.__doc__ or "").partition("\n")[0],
            "operationId": getattr(handler, "__name__", path),
            "responses": {"default": {"description": "not described"}},
            **_with_path(path, operation, described),
        }
    return {
        "openapi": "3.1.0",
        "info": app[_INFO],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer"}},
        },
    }


def _routes(app: web.Application) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield route.method, route.resource.canonical, route.handler


References = Mapping[tuple[type[BaseModel], str], Schema]


def _schemas(operations: Collection[Operation]) -> tuple[References, Schema]:
    """Return the reference of each message, as it is read and as it is written, and all schemas."""
    written = {model for one in operations for model in one.answers.values() if model is not None}
    read = {one.body for one in operations if isinstance(one.body, type)}
    wanted = [(model, "validation") for model in read]
    wanted += [(model, "serialization") for model in written | {ErrorBody}]
    ordered = sorted(wanted, key=lambda each: (each[0].__name__, each[1]))
    references, definitions = models_json_schema(ordered, ref_template=_REFERENCE)  # type: ignore[arg-type]
    return references, definitions["$defs"]  # type: ignore[return-value]


def _described(
    app: web.Application, operation: Operation, references: References
) -> dict[str, Any]:
    headers = {name: {"schema": schema} for name, schema in operation.headers.items()}
    responses: dict[str, Any] = {}
    for status, model in operation.answers.items():
        responses[str(status)] = {"description": "success", "headers": headers}
        if model is not None:
            responses[str(status)]["content"] = _json(references[model, "serialization"])
    refusal = {"content": _json(references[ErrorBody, "serialization"])}
    for statuses, meaning in (("4XX", "not as it is"), ("5XX", "not now")):
        responses[statuses] = {"description": meaning, **refusal}
    described: dict[str, Any] = {"responses": responses}
    if operation.scope is not None:
        described["security"] = [{_BEARER: [operation.scope.value]}]
    if operation.query:
        described["parameters"] = [_parameter(app, one) for one in operation.query]
    if isinstance(operation.body, str):
        content = {operation.body: {"schema": {"type": "string", "minLength": 1}}}
        described["requestBody"] = {"required": True, "content": content}
    elif operation.body is not None:
        content = _json(references[operation.body, "validation"])
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(app: web.Application, parameter: Parameter) -> dict[str, Any]:
    schema = parameter.schema(app) if callable(parameter.schema) else parameter.schema
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
    }
    if schema.get("type") == "object":
        return described | {"content": _json(schema)}
    if schema.get("type") == "array":
        described |= {"style": "form", "explode": False}
    return described | {"schema": schema}


def _with_path(path: str, operation: Operation | None, described: dict[str, Any]) -> dict[str, Any]:
    given = operation.path if operation is not None else {}
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": given.get(name, {"type": "string"}),
        }
        for name in _IN_PATH.findall(path)
    ]
    parameters = in_path + described.get("parameters", [])
    return {**described, "parameters": parameters} if parameters else described


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
