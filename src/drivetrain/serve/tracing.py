"""Spans for OpenTelemetry, where it is installed and its own environment variables say where they go.

Nothing is imported and nothing is sent unless `OTEL_TRACES_EXPORTER` or an OTLP endpoint is set, as OpenTelemetry's
specification names them. A request's span continues the trace of its W3C `traceparent` header; names and attributes are those of
OpenTelemetry's semantic conventions for HTTP servers.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from drivetrain.errors import NotInstalled, UsageError

if TYPE_CHECKING:
    from drivetrain.serve.types import Request

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def wanted() -> str:
    """The exporter that the environment asks for: "otlp", "console", or "" for none."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    named = os.environ.get(EXPORTER, "").strip().lower()
    if named == "none":
        return ""
    return named or ("otlp" if any(os.environ.get(name) for name in ENDPOINTS) else "")


def tracer() -> Tracer | None:
    """What makes spans, or None where nobody asked. To be called in a worker: it has a thread that sends. Raises NotInstalled,
    and UsageError for an exporter that isn't known."""
    exporter = wanted()
    if not exporter:
        return None
    _require("opentelemetry.sdk", "opentelemetry-sdk")
    if exporter == "console":
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export").ConsoleSpanExporter()
    elif exporter == "otlp":
        _require("opentelemetry.exporter.otlp.proto.http", "opentelemetry-exporter-otlp-proto-http")
        name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
        export = importlib.import_module(name).OTLPSpanExporter()
    else:
        raise UsageError(
            f"{exporter!r} is no exporter that is known here.",
            where=EXPORTER,
            fix="Use otlp, console or none.",
        )
    return Tracer(export)


def _require(module: str, package: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as fault:
        raise NotInstalled(
            f"the environment asks for traces, which need {package}.", where=EXPORTER, fix=f"pip install {package}"
        ) from fault  # fmt: skip


class Tracer:
    """One span for each request, sent by a thread in batches."""

    def __init__(self, export: Any, *, at_once: bool = False) -> None:
        """`export` is a SpanExporter of OpenTelemetry's SDK; `at_once` sends each span when it ends."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        name = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "drivetrain"}
        self._provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
        processor = SimpleSpanProcessor if at_once else BatchSpanProcessor
        self._provider.add_span_processor(processor(export))
        self._tracer = self._provider.get_tracer("drivetrain.serve")

    def begun(self, request: Request) -> Any:
        """The span of a request."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract(request.headers)
        return self._tracer.start_span(request.method, context=context, kind=SpanKind.SERVER)

    def finished(self, span: Any, request: Request, status: int) -> None:
        """The span's name has the pattern of the path: few names, and none of a caller's own words."""
        from opentelemetry.trace import Status, StatusCode

        if request.route is not None:
            span.update_name(f"{request.method} {request.route.pattern}")
            span.set_attribute("http.route", request.route.pattern)
        span.set_attribute("http.request.method", request.method)
        span.set_attribute("url.path", request.path)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("client.address", request.caller.address)
        for name, value in request.log.items():
            if isinstance(value, str | bool | int | float):
                span.set_attribute(f"drivetrain.{name}", value)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()
