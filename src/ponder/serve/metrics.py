"""What the gateway measures of itself, in Prometheus' format at `/metrics`. Labels have few values: no keys, no ids, no prompts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response

from ponder.models.gate import gate
from ponder.models.upstreams import Upstreams
from ponder.serve.compute import Plan
from ponder.serve.house import House
from ponder.serve.visit import Visit
from ponder.trace import Event
from ponder.types import Usage

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PATHS = tuple(f"/v1/{one}" for one in ("chat/completions", "completions", "responses", "messages", "models", "ponder"))


class Metrics:
    """The counters of one server: functions from labels to what counts, which takes longer to look up than to add to."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, about: str, *labels: str) -> Callable[..., Counter]:
            return cache(Counter(f"ponder_{name}", about, labels, registry=self.registry).labels)

        def histogram(name: str, about: str, label: str, buckets: tuple[float, ...]) -> Callable[..., Histogram]:
            return cache(Histogram(f"ponder_{name}", about, [label], buckets=buckets, registry=self.registry).labels)

        self._requests = counter("requests", "HTTP requests", "path", "status")
        self._seconds = histogram("request_duration_seconds", "Until the last byte", "path", _SECONDS)
        self._first = histogram("time_to_first_byte_seconds", "Until the body begins", "path", _SECONDS)
        self._tokens = counter("tokens", "Tokens of all calls", "model", "role", "kind")
        self._calls = counter("calls", "Calls of models", "model", "role", "outcome")
        self._usd = counter("usd", "Dollars, where the price is known", "model", "role")
        self._refused = counter("budget_exhausted", "Draws that a limit has refused", "limit")
        self._samples = histogram("samples_per_request", "Draws", "strategy", _SAMPLES)

    def ended(self, visit: Visit) -> None:
        path = next((one for one in _PATHS if visit.path.startswith(one)), "other")
        self._requests(path, str(visit.status)).inc()
        self._seconds(path).observe(visit.seconds)
        if visit.first is not None:
            self._first(path).observe(visit.first - visit.began)

    def watch(self, plan: Plan, event: Event) -> None:
        """Count an event of a solve."""
        if event.kind == "refused":
            self._refused(event.data["limit"]).inc()
        elif event.kind == "drawn":
            served, role, used = plan.model.name, event.data["role"], Usage(**event.data["usage"])
            outcome = "error" if event.data["error"] else event.data["finish_reason"]
            self._calls(served, role, outcome).inc(used.calls)
            for kind in ("prompt", "cached", "completion"):
                self._tokens(served, role, kind).inc(getattr(used, kind))
            if event.data["usd"] is not None and role != "replayed":
                self._usd(served, role).inc(event.data["usd"])

    def settled(self, plan: Plan, samples: int) -> None:
        self._samples(plan.strategy.name).observe(samples)

    def page(self, house: House) -> bytes:
        """The exposition, with the state of this moment."""
        now = _Now(house)
        self.registry.register(now)
        try:
            return generate_latest(self.registry)
        finally:
            self.registry.unregister(now)


class _Now:
    """Gauges that are read when they are asked for."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ponder_in_flight", "Requests inside", value=self._house.door.inside)
        queue = GaugeMetricFamily("ponder_queue_depth", "Calls that wait for a place at the model", labels=["model"])
        closed = GaugeMetricFamily("ponder_upstream_up", "1 while its circuit breaker is closed", labels=["model", "upstream"])
        busy = GaugeMetricFamily("ponder_upstream_outstanding", "Calls that run there", labels=["model", "upstream"])
        hedges = GaugeMetricFamily("ponder_upstream_hedges", "Calls sent twice so far", labels=["model"])
        for name, model in self._house.models.items():
            queue.add_metric([name], gate(model).waiting)
            if isinstance(model, Upstreams):
                hedges.add_metric([name], model.hedges)
                for number, line in enumerate(model.lines):
                    closed.add_metric([name, str(number)], float(line.breaker.state == "closed"))
                    busy.add_metric([name, str(number)], line.outstanding)
        yield from (queue, closed, busy, hedges)


def mounted(metrics: Metrics) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: behind a key where one is needed."""

    async def page(request: Request) -> Response:
        house: House = request.app.state.house
        await house.seams.authorise(request.headers)
        return Response(metrics.page(house), media_type="text/plain; version=0.0.4; charset=utf-8")

    return page
