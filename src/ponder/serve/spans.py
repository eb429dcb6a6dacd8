"""OpenTelemetry spans of requests: one for each, and under it one for each call of a model. What they say stands in `trace`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ponder import trace
from ponder.errors import MissingExtra
from ponder.serve.compute import Plan
from ponder.trace import Event


class Spans:
    """Sends spans where `provider` does; by default where OpenTelemetry's environment variables say. Raises MissingExtra."""

    def __init__(self, provider: Any = None) -> None:
        try:
            from opentelemetry.trace import StatusCode, set_span_in_context
        except ImportError:
            raise MissingExtra("opentelemetry-sdk", "otel") from None
        self._provider = provider or _exporting()
        self._tracer = self._provider.get_tracer("ponder")
        self._under, self._error = set_span_in_context, StatusCode.ERROR
        self._open: dict[str, Any] = {}

    @contextmanager
    def request(self, plan: Plan) -> Iterator[None]:
        """The span of a request, around its solves."""
        name, attributes = trace.workflow(plan.strategy.name, plan.name)
        span = self._tracer.start_span(name, attributes=attributes | {"gen_ai.response.id": plan.id})
        self._open[plan.id] = span
        try:
            yield
        finally:
            del self._open[plan.id]
            span.end()

    def watch(self, plan: Plan, event: Event) -> None:
        """Add the span of a call that has just ended; a replayed one was none."""
        over = self._open.get(plan.id)
        if event.kind != "drawn" or event.data["role"] == "replayed" or over is None:
            return
        now = time.time_ns()
        name, attributes = trace.span(event, plan.model.name)
        began = now - int(event.data["seconds"] * 1e9)
        span = self._tracer.start_span(name, context=self._under(over), attributes=attributes, start_time=began)
        if event.data["error"]:
            span.set_attribute("error.type", "upstream_error")
            span.set_status(self._error)
        span.end(now)

    def close(self) -> None:
        self._provider.shutdown()


def _exporting() -> Any:
    """OTLP over HTTP, to where `OTEL_EXPORTER_OTLP_ENDPOINT` says."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtra("opentelemetry-exporter-otlp-proto-http", "otel") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "ponder"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
