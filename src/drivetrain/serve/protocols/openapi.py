"""What the server takes and answers, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0): made of the routes there are, and for
each model of its codecs' schemas and the answers of its golden cases. `/docs` is a page to look at it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from drivetrain import __version__
from drivetrain.serve.protocols import base
from drivetrain.serve.protocols.pages import sent
from drivetrain.serve.types import Request, Response, Route

Schema = dict[str, Any]
_PLACE = re.compile(r"\{(\w+)\}")
EXPANDED = ("/models/{model}/predict", "/models/{model}/generate")
"""Routes that are told for each model by itself too, with its schemas."""
MOST_NAMES = 32
"""Parts of an answer that are named one by one."""
JSON, CSV, HTML, EVENTS = "application/json", "text/csv", "text/html", "text/event-stream"
TEXT = {"type": "string"}
OBJECT: Schema = {"type": "object"}
FRIENDLY: Schema = {
    "type": "object", "properties": {"error": TEXT, "where": TEXT, "fix": TEXT}, "required": ["error", "where", "fix"],
}  # fmt: skip
PLAIN: Schema = {"type": "object", "properties": {"error": TEXT}, "required": ["error"]}
PARAMETERS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
PLACES: Mapping[str, Schema] = {
    "model": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 128},
    "version": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999_999},
    "label": {"type": "string", "minLength": 1, "maxLength": 128},
}
SIGNATURE: Schema = {"signature_name": TEXT}
_SIDES: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TENSOR: Schema = {
    "type": "object",
    "properties": {
        "name": TEXT, "datatype": TEXT, "shape": _SIDES, "parameters": PARAMETERS, "data": {"type": "array"},
    },
    "required": ["name", "datatype", "shape"],
}  # fmt: skip
_WANTED: Schema = {
    "type": "object",
    "properties": {"name": TEXT, "parameters": PARAMETERS},
    "required": ["name"],
}
BODIES: tuple[tuple[str, Schema], ...] = (
    (
        "/infer",
        {
            "type": "object",
            "properties": {
                "id": TEXT, "parameters": PARAMETERS, "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
                "outputs": {"type": "array", "items": _WANTED},
            },
            "required": ["inputs"],
        },
    ),
    (
        ":predict",
        {
            "anyOf": [
                {"type": "object", "properties": {**SIGNATURE, "instances": {"type": "array"}}, "required": ["instances"]},
                {"type": "object", "properties": {**SIGNATURE, "inputs": {}}, "required": ["inputs"]},
            ]
        },
    ),
    *(
        (
            verb,
            {
                "type": "object",
                "properties": {**SIGNATURE, "context": OBJECT, "examples": {"type": "array", "items": OBJECT, "minItems": 1}},
                "required": ["examples"],
            },
        )
        for verb in (":classify", ":regress")
    ),
    ("/index", {"type": "object", "properties": {"ready": {"type": "boolean"}}}),
    ("/load", {"type": "object", "properties": {"parameters": PARAMETERS}}),
    ("/unload", {"type": "object", "properties": {"parameters": PARAMETERS}}),
    (
        "/outcomes",
        {
            "type": "object",
            "properties": {
                "outcomes": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"id": TEXT, "key": TEXT, "value": {}}, "required": ["value"]},
                }
            },
            "required": ["outcomes"],
        },
    ),
    (
        "/generate_stream",
        {"type": "object", "properties": {"text_input": TEXT, "parameters": PARAMETERS}, "required": ["text_input"]},
    ),
)  # fmt: skip
"""What is sent to a route, by how its pattern ends."""
GENERATE: Schema = {
    "type": "object",
    "properties": {
        "prompt": {}, "stream": {"type": "boolean", "default": True}, "most": {"type": "integer", "minimum": 1},
        "strategy": {"enum": ["greedy", "sampling", "beam"]}, "temperature": {"type": "number"}, "top_p": {"type": "number"},
        "top_k": {"type": "integer", "minimum": 0}, "seed": {"type": "integer", "minimum": 0}, "length_penalty": {"type": "number"},
        "width": {"type": "integer", "minimum": 1},
    },
    "required": ["prompt"],
}  # fmt: skip
HEADERS = [
    {"name": name, "in": "header", "required": False, "schema": schema, "description": words}
    for name, schema, words in (
        ("X-Priority", {"type": "integer", "minimum": -100, "maximum": 100}, "A greater one goes first."),
        (
            "X-Timeout-Ms",
            {"type": "integer", "minimum": 1, "maximum": 86_400_000},
            "How long the caller waits.",
        ),
        ("X-Sticky-Key", TEXT, "Who has the same key is answered by the same version."),
    )
]


async def description(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    models = server.repository.models
    servables = [
        models[name].versions[models[name].newest]
        for name in sorted(models)
        if models[name].newest is not None and request.caller.sees(name)
    ]
    keys = bool(server.settings.access.keys)
    return base.answered(described(server.routes.all, servables, keys))


async def page(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    return sent("docs.html", request)


def described(routes: Iterable[Route], servables: Iterable[Any], keys: bool = False) -> dict[str, Any]:
    """The description of these routes, and of what these versions take and answer."""
    paths: dict[str, dict[str, Any]] = {}
    tags: list[dict[str, str]] = []
    routes = [route for route in routes if route.handler is not page]
    servables = list(servables)
    names = [servable.name for servable in servables]
    places = {**PLACES, "model": {"enum": names}} if names else PLACES
    for servable in servables:
        tags.append(
            {
                "name": f"model {servable.name}",
                "description": f"{servable.bundle.task}, version {servable.version}",
            }
        )
        for route in routes:
            if route.pattern in EXPANDED and (servable.streams or not route.pattern.endswith("/generate")):
                path = route.pattern.replace("{model}", servable.name)
                paths.setdefault(path, {})[route.method.lower()] = _of_model(route, servable)
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _of_route(route, places)
        tags.append({"name": _tag(route), "description": ""})
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Drivetrain", "version": __version__, "description": "Models, asked over HTTP."},
        "servers": [{"url": "/"}],
        "tags": [*{tag["name"]: tag for tag in reversed(tags)}.values()][::-1],
        "paths": paths,
        "components": {"schemas": {"Error": FRIENDLY, "PlainError": PLAIN}},
    }
    if keys:
        told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"key": []}]
    return told


# --- routes -----------------------------------------------------------------------------------------------


def _tag(route: Route) -> str:
    for start, name in (
        ("/v2", "Open Inference Protocol"),
        ("/v1", "TensorFlow Serving"),
        ("/models", "models"),
    ):
        if route.pattern.startswith(start):
            return name
    return "server"


def _of_route(route: Route, places: Mapping[str, Schema]) -> dict[str, Any]:
    found = _operation(route, route.pattern)
    found["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": places.get(name, {**TEXT, "minLength": 1})}
        for name in _PLACE.findall(route.pattern)
    ]
    if route.right == "infer":
        found["parameters"] += HEADERS
    if route.method == "POST":
        found["requestBody"] = {
            "required": not route.pattern.endswith(("/index", "load")),
            "content": _body(route.pattern),
        }
    return found


def _operation(route: Route, path: str, answered: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is told of a route. `answered`: the types of its answers, with their schemas."""
    error = "PlainError" if path.startswith(("/v1", "/v2")) else "Error"
    refused = {JSON: {"schema": {"$ref": f"#/components/schemas/{error}"}}}
    words = f"{route.about} Needs a key with the right admin." if route.right == "admin" else route.about
    good = {"description": "The answer.", **({"content": dict(answered)} if answered else {})}
    found: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{path}").strip("_"),
        "tags": [_tag(route)],
        "summary": words,
        "responses": {"200": good, "default": {"description": "Why there is none.", "content": refused}},
    }
    return {**found, "security": []} if route.right == "open" else found


def _body(pattern: str) -> dict[str, Any]:
    if pattern.endswith("/predict"):
        return {JSON: {"schema": {}}, CSV: {"schema": TEXT}}
    if pattern.startswith("/models") and pattern.endswith("/generate"):
        return {JSON: {"schema": GENERATE}}
    ending = "/generate_stream" if pattern.endswith("/generate") else pattern
    return {JSON: {"schema": next((schema for end, schema in BODIES if ending.endswith(end)), OBJECT)}}


# --- models -----------------------------------------------------------------------------------------------


def _of_model(route: Route, servable: Any) -> dict[str, Any]:
    path = route.pattern.replace("{model}", servable.name)
    if route.pattern.endswith("/generate"):
        inputs = servable.bundle.signature.inputs
        prompt = next(iter(inputs.values())).schema() if len(inputs) == 1 else servable.schema
        schema = {**GENERATE, "properties": {**GENERATE["properties"], "prompt": prompt}}
        taken, answered = {JSON: {"schema": schema}}, {EVENTS: {"schema": TEXT}, JSON: {"schema": OBJECT}}
    else:
        taken, answered = _taken(servable), {JSON: {"schema": _answered(servable)}, CSV: {"schema": TEXT}}
    found = {**_operation(route, path, answered), "tags": [f"model {servable.name}"], "parameters": HEADERS}
    return {**found, "requestBody": {"required": True, "content": taken}}


def _taken(servable: Any) -> dict[str, Any]:
    """What a model takes, by type."""
    inputs = servable.bundle.signature.inputs
    one = [servable.schema]
    if servable.program == "single" and len(inputs) == 1:
        one.append(next(iter(inputs.values())).schema())
    found: dict[str, Any] = {
        JSON: {"schema": {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}}
    }
    found[CSV] = {"schema": TEXT}
    if servable.program != "single":
        return found
    form = {name: TEXT if not codec.from_files else {} for name, codec in inputs.items()}
    found["multipart/form-data"] = {"schema": {"type": "object", "properties": form, "required": [*form]}}
    if len(inputs) == 1:
        (codec,) = inputs.values()
        kind = (
            codec.schema().get("contentMediaType", "application/octet-stream")
            if codec.from_files
            else "text/plain"
        )
        found[kind] = {"schema": {} if codec.from_files else TEXT}
    return found


def _answered(servable: Any) -> Schema:
    """What a model answers: by what it said of its golden cases."""
    several = len(servable.bundle.signature.targets) > 1
    seen: list[Any] = []
    for case in servable.bundle.cases[:8]:
        answer = cast("Mapping[str, Any]", case.answer)
        seen.append(answer if several else next(iter(answer.values())))
    answer = {"type": "object", "properties": {"input": TEXT, **_like(seen).get("properties", {})}}
    listed = {
        "type": "array",
        "items": {"anyOf": [answer, {**FRIENDLY, "properties": {"input": TEXT, **FRIENDLY["properties"]}}]},
    }
    called = {"forecast": "forecasts", "recommend": "recommendations"}.get(servable.program)
    told: Schema = {
        "model": TEXT, "version": {"type": "integer"}, "hash": TEXT, "targets": {"type": "array", "items": TEXT},
        "ids": {"type": "array", "items": {"type": ["string", "null"]}}, "latency_ms": {"type": "number"}, "request": TEXT,
        "answers": listed, **({called: {}} if called else {}),
    }  # fmt: skip
    return {"type": "object", "properties": told, "required": ["model", "version"]}


def _like(values: list[Any]) -> Schema:
    """A schema of which all of these are."""
    records = [cast("Mapping[str, Any]", value) for value in values if isinstance(value, dict)]
    if not records or len(records) < len(values):
        kinds = {_kind(value) for value in values}
        return {"type": sorted(kinds)} if kinds and "array" not in kinds else {}
    names = dict.fromkeys(name for record in records for name in record)
    if len(names) > MOST_NAMES:
        return {
            "type": "object",
            "additionalProperties": _like([value for record in records for value in record.values()]),
        }
    return {
        "type": "object",
        "properties": {name: _like([record[name] for record in records if name in record]) for name in names},
    }


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "array"


ROUTES = (
    Route("GET", "/openapi.json", description, "read", "This description."),
    Route("GET", "/docs", page, "open", "A page to look at it."),
)
