"""What the service counts, for Prometheus.

Several API processes count into files of one folder (`PROMETHEUS_MULTIPROC_DIR`, which `api/processes.py` sets), and
whichever is asked tells the sum of all.
"""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import CLIENT_GONE
from api.standing import Standing, families_of

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_PASS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one service count; prometheus_client reads it too."""


class Told(Protocol):
    """What is told of the loaded models."""

    @property
    def num_models(self) -> int: ...
    @property
    def num_bytes(self) -> int: ...


class Answered(Protocol):
    """What is counted of one submission's answer."""

    @property
    def queue_s(self) -> float: ...
    @property
    def forward_s(self) -> float: ...
    @property
    def batch_rows(self) -> int: ...


class Metrics:
    """Counters of one application, in a registry of its own."""

    def __init__(self, *, process: int = 0) -> None:
        """process: which of several API processes this is; one that starts again goes on counting where it was."""
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder is not None:
            mark_process_dead(process, folder)  # type: ignore[no-untyped-call]  # what its forerunner held is gone
            values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]  # has no types
        self.folder = None if folder is None else Path(folder)
        """What the processes of one service share; None where there is one."""
        self.registry = CollectorRegistry()
        self.requests = self._counter("pfa_requests", "HTTP requests answered", "method", "route", "status")
        self.latency_s = self._histogram(
            "pfa_request_seconds", "From a request's first byte to its answer's last", _LATENCY_S, "method", "route"
        )
        self.batch_rows = self._histogram("pfa_batch_rows", "Images in one forward pass", _ROWS)
        self.queue_s = self._histogram("pfa_queue_seconds", "From a submission to its forward pass", _LATENCY_S)
        self.forward_s = self._histogram("pfa_forward_seconds", "Duration of a forward pass", _PASS_S)
        self.streams = self._gauge("pfa_event_streams", "Followers of a job's events just now")
        self.queue_rows = self._gauge("pfa_queue_rows", "Images that wait for a forward pass")
        self.models = self._gauge("pfa_models_loaded", "Models kept ready for prediction, in all processes")
        self.model_bytes = self._gauge("pfa_model_bytes", "Memory of the models that are loaded, in all processes")
        self.model_loads = self._counter("pfa_model_loads", "Models that were to be loaded", "outcome")
        self.model_load_s = self._histogram("pfa_model_load_seconds", "Loading a model and warming it up", _LATENCY_S)
        self.processes = self._gauge("pfa_api_processes", "API processes that answer")
        self.processes.set(1)
        for outcome in ("loaded", "failed", "refused", "dropped"):
            self.model_loads.labels(outcome)
        self._told: Sequence[Metric] = ()

    def passed(self, answers: Sequence[Answered]) -> None:
        """Count a forward pass by the answers that it gave."""
        self.batch_rows.observe(answers[0].batch_rows)
        self.forward_s.observe(answers[0].forward_s)
        for answer in answers:
            self.queue_s.observe(answer.queue_s)

    def count_models(self, told: Told) -> None:
        """Set what is told of loaded models."""
        self.models.set(told.num_models)
        self.model_bytes.set(told.num_bytes)

    def count_load(self, outcome: str, seconds: float) -> None:
        """Count what became of a model: `loaded`, `failed`, `refused` or `dropped`."""
        self.model_loads.labels(outcome).inc()
        if outcome == "loaded":
            self.model_load_s.observe(seconds)

    def tell(self, standing: Standing) -> None:
        """Set what is told of the service as a whole; every process would tell the same."""
        self._told = families_of(standing)

    def text(self) -> bytes:
        """Everything, of all processes, in Prometheus' text format."""
        registry = self.registry
        if self.folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self.folder))  # type: ignore[no-untyped-call]  # has no types
        return generate_latest(registry) + generate_latest(_Told(self._told))

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(name, told, labels, registry=self.registry)

    def _histogram(self, name: str, told: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, told, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, told: str) -> Gauge:
        return Gauge(name, told, registry=self.registry, multiprocess_mode="livesum")


class _Told:
    """A registry of what is known already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


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
