"""The OpenAPI description: that it is one, that answers are what it says, and that nothing it allows, nor anything near it, is a
fault of ours."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator
from serving import MODELS, a_repository, golden_items, servable
from wired import look, over, tell

from drivetrain.serve.access import Gate
from drivetrain.serve.http.asgi import application
from drivetrain.serve.protocols import routes
from drivetrain.serve.settings import Access, Key
from drivetrain.serve.types import Caller

CASES, AGAIN, SEED = 30, 4, 14
"""Of each operation, in each of two ways; of one that is another but for a version or label; and what all are drawn by."""


def _schemas(value: Any) -> list[Any]:
    """Whatever stands under "schema" in a description."""
    if isinstance(value, list):
        return [found for each in value for found in _schemas(each)]
    if not isinstance(value, dict):
        return []
    own = [value["schema"]] if "schema" in value else []
    return own + [found for name, each in value.items() if name != "schema" for found in _schemas(each)]


def test_every_route_is_described() -> None:
    told = look("/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert {(route.method, route.pattern) for route in routes() if route.pattern != "/docs"} <= described
    assert {("POST", f"/models/{name}/predict") for name in MODELS} <= described
    names = [operation["operationId"] for methods in told["paths"].values() for operation in methods.values()]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for schema in _schemas(told):
        Draft202012Validator.check_schema(schema)
    assert "security" not in told


@pytest.mark.parametrize("name", sorted(MODELS))
def test_answers_are_as_they_are_described(name: str) -> None:
    told = look("/openapi.json").json()["paths"][f"/models/{name}/predict"]["post"]
    answered = Draft202012Validator(told["responses"]["200"]["content"]["application/json"]["schema"])
    taken = Draft202012Validator(told["requestBody"]["content"]["application/json"]["schema"])
    model = servable(name)
    if model.program == "single":
        codecs = model.bundle.signature.inputs
        items = [
            {field: codec.from_bytes(codec.to_bytes(item[field])) for field, codec in codecs.items()}
            for item in golden_items(model)
        ]
        sent = [
            item
            for item in items
            if all(isinstance(value, (str, float, int, list)) for value in item.values())
        ][:1]
        for item in sent:
            taken.validate(json.loads(json.dumps(item)))
            answered.validate(tell(f"/models/{name}/predict", item).json())
    assert not taken.is_valid(True)


def test_keys_are_described_and_models_that_are_not_the_caller_s_are_not(tmp_path: Path) -> None:
    server = over(a_repository(tmp_path, "houses", "said"), access=Access(keys=(Key("a", "0" * 64),)))
    told = look("/openapi.json", server, caller=Caller(models=frozenset({"said"}))).json()
    assert told["security"] == [{"key": []}]
    assert "/models/said/predict" in told["paths"]
    assert "/models/houses/predict" not in told["paths"]
    assert told["paths"]["/v2/health/live"]["get"]["security"] == []


def test_the_page_holds_nothing_from_elsewhere() -> None:
    told = look("/docs")
    assert told.status == 200
    assert told.type.startswith("text/html")
    policy = told.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("docs.html", "docs.js"):
        text = look(f"/pages/{name}").body.decode()
        assert "innerHTML" not in text
        assert "//" not in text.replace("// The routes", "").replace("http://www.w3.org", "")


def _latin(value: Any) -> bytes:
    return value.encode("latin-1", "replace") if isinstance(value, str) else value


async def _asked(app: Any, prepared: Any) -> int:
    """The status of a request that `requests` has prepared, through the ASGI adapter."""
    address = urlsplit(prepared.url)
    body = prepared.body or b""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body.encode() if isinstance(body, str) else body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(_latin(name.lower()), _latin(value)) for name, value in prepared.headers.items()]
    headers.append((b"host", address.netloc.encode()))
    scope = {
        "type": "http", "method": prepared.method, "path": address.path, "raw_path": address.path.encode(), "scheme": "http",
        "query_string": address.query.encode(), "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_near_the_description_is_a_fault_of_ours(tmp_path: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    import requests
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode

    server = over(a_repository(tmp_path))
    server.gate = Gate(server.settings)
    app = application(server, server.settings)
    schema = schemathesis.openapi.from_dict(look("/openapi.json", server).json())
    statuses: Counter[int] = Counter()
    faults: list[str] = []

    def tried(case: Any) -> None:
        kwargs = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
        for name in ("timeout", "allow_redirects", "verify", "stream", "cert", "proxies"):
            kwargs.pop(name, None)
        try:
            prepared = requests.Request(**kwargs).prepare()
        except (requests.RequestException, UnicodeError, ValueError):
            return  # Nothing that could be sent.
        status = asyncio.run(_asked(app, prepared))
        statuses[status] += 1
        if status >= 500 and status not in (503, 504):
            faults.append(f"{prepared.method} {prepared.url}: {prepared.body!r:.300}")

    for result in schema.get_all_operations():
        operation = result.ok()
        again = "{version}" in operation.path or "{label}" in operation.path
        shape = settings(
            max_examples=AGAIN if again else CASES, deadline=None, database=None, suppress_health_check=[*HealthCheck],
            phases=[Phase.generate],
        )  # fmt: skip
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # Where nothing could be wrong, as in a GET without anything.
                seed(SEED)(shape(given(strategy)(tried)))()
    assert not faults, faults[:5]
    assert statuses.total() >= 2000, statuses
    assert statuses[200] > 300, statuses
