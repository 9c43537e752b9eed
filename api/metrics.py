"""What the service counts, for Prometheus."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import CLIENT_GONE
from pfa_store.specs import QUEUES
from pfa_store.workers import WORKER_STATUSES, Worker

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "pfa_requests", "HTTP requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.latency_s = Histogram(
            "pfa_request_seconds",
            "From a request's first byte to its answer's last",
            ["method", "route"],
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self.batch_rows = Histogram(
            "pfa_batch_rows", "Images in one forward pass", buckets=_ROWS, registry=self.registry
        )
        self.streams = Gauge("pfa_event_streams", "Followers of a job's events just now", registry=self.registry)
        self._queue = Gauge("pfa_queue_rows", "Images that wait for a forward pass", registry=self.registry)
        self._models = Gauge("pfa_models_loaded", "Models kept ready for prediction", registry=self.registry)
        self._workers = Gauge("pfa_workers", "Workers that do jobs", ["queue", "status"], registry=self.registry)

    def watch(self, *, queue_rows: Callable[[], int], models_loaded: Callable[[], int]) -> None:
        """Read these whenever the metrics are read."""
        self._queue.set_function(queue_rows)
        self._models.set_function(models_loaded)

    def count_workers(self, workers: Sequence[Worker]) -> None:
        """Set what is told of workers."""
        for queue in QUEUES:
            for status in WORKER_STATUSES:
                count = sum(worker.queue == queue and worker.status == status for worker in workers)
                self._workers.labels(queue, status).set(count)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)


class CountRequests:
    """ASGI middleware: one count and one latency for every request, by route template (never by raw path)."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = CLIENT_GONE
        began_s = time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.latency_s.labels(scope["method"], route).observe(time.monotonic() - began_s)
