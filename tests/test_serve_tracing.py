"""Spans where somebody wants them, and nothing at all where nobody does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from drivetrain.errors import NotInstalled, UsageError
from drivetrain.serve import tracing
from drivetrain.serve.tracing import Tracer, tracer
from drivetrain.serve.types import Caller, Request, Response, Route

DIGITS, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def handler(server: object, request: Request, places: object) -> Response:
    return Response()


def asked() -> Request:
    return Request(
        "POST", "/v2/models/secret/infer", headers={"traceparent": f"00-{DIGITS}-{PARENT}-01"}, log={"model": "houses", "rows": 3},
        route=Route("POST", "/v2/models/{model}/infer", handler), caller=Caller(address="10.0.0.1"),
    )  # fmt: skip


def test_a_span_goes_on_with_the_callers_trace() -> None:
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    export = memory.InMemorySpanExporter()
    traces = Tracer(export, at_once=True)
    for status in (200, 503):
        request = asked()
        traces.finished(traces.begun(request), request, status)
    traces.close()
    fine, failed = export.get_finished_spans()
    assert f"{fine.context.trace_id:032x}" == DIGITS
    assert f"{fine.parent.span_id:016x}" == PARENT
    assert fine.name == "POST /v2/models/{model}/infer"
    assert dict(fine.attributes) == {
        "http.route": "/v2/models/{model}/infer", "http.request.method": "POST", "url.path": "/v2/models/secret/infer",
        "http.response.status_code": 200, "client.address": "10.0.0.1", "drivetrain.model": "houses", "drivetrain.rows": 3,
    }  # fmt: skip
    assert fine.resource.attributes["service.name"] == "drivetrain"
    assert (fine.status.is_ok, failed.status.is_ok) == (True, False)


def test_nobody_asked() -> None:
    code = "from drivetrain.serve.tracing import tracer; import sys; assert tracer() is None; print(*sys.modules)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "opentelemetry" not in done.stdout.split()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ""),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "TRUE"}, ""),
    ],
)
def test_the_environment_says_where_spans_go(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*tracing.ENDPOINTS, tracing.EXPORTER, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing.wanted() == expected


def test_an_exporter_that_is_not_known_or_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(UsageError, match="otlp"):
        tracer()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    with pytest.raises(NotInstalled, match="pip install opentelemetry-exporter-otlp-proto-http"):
        tracer()
