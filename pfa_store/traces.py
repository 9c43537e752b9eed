"""Spans of requests, jobs and predictions, sent to an OpenTelemetry collector where `PFA_TRACES_ENDPOINT` names one.

Without it the tracer is the API's own that does nothing, and the SDK (the extra `traces`) is not even imported. A
collector that is away costs nothing but its spans: they wait in a bounded queue of a thread and are dropped.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pfa_store.settings import Settings
from pfa_store.workers import installed_version

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

PATH = "/v1/traces"
"""Where OTLP/HTTP takes spans."""
SEND_EVERY_MS = 1000
TIMEOUT_S = 2.0
"""For one export. The end of a process waits for the last one; a collector that is away delays it by that at most."""
AWAY_S = 30.0
"""A collector that did not take spans is asked again after so long; what ends meanwhile is dropped."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where the spans of this process go."""

    tracer: Tracer
    provider: "TracerProvider | None"
    """None: nowhere."""

    def close(self) -> None:
        """Send what is left."""
        if self.provider is not None:
            self.provider.shutdown()

    def record(self, name: str, *, start_ns: int, duration_s: float, **attributes: str | int) -> None:
        """A span that is over, below the one of this task or thread. `start_ns`: since 1970."""
        if self.provider is not None:
            span = self.tracer.start_span(name, start_time=start_ns, attributes=attributes)
            span.end(start_ns + int(duration_s * 1e9))


def open_traces(settings: Settings, *, role: str) -> Traces:
    """What the settings say; `role` is this kind of process, as in the logs. Close it before the process ends."""
    if not settings.traces_endpoint:
        return Traces(NoOpTracer(), None)
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from pfa_store.trace_export import PatientExporter

    resource = Resource.create({"service.name": f"pfa-{role}", "service.version": installed_version()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = PatientExporter(url_of(settings.traces_endpoint), time.monotonic)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SEND_EVERY_MS))
    return Traces(provider.get_tracer("pfa", installed_version()), provider)


@contextmanager
def traces_of(settings: Settings, *, role: str) -> Iterator[Traces]:
    """`open_traces` for a block."""
    traces = open_traces(settings, role=role)
    try:
        yield traces
    finally:
        traces.close()


def url_of(endpoint: str) -> str:
    """The collector's URL for spans; an endpoint may have it already."""
    trimmed = endpoint.rstrip("/")
    return trimmed if trimmed.endswith(PATH) else f"{trimmed}{PATH}"


def parent_of(origin: Mapping[str, str]) -> Context:
    """The context in which work for a job is done: that of the `traceparent` in its origin, if there is one."""
    return TraceContextTextMapPropagator().extract(origin, context=Context())


def traceparent_of(span: Span) -> str | None:
    """What makes a span the parent of another process's; None where it is not recorded."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, context=set_span_in_context(span, Context()))
    return carrier.get("traceparent")
