"""The span of an attempt of a job, in the trace of the request that asked for the job."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind

from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.traces import parent_of, traces_of


@contextmanager
def attempt_span(settings: Settings, job: Job, origin: Mapping[str, str]) -> Iterator[Span]:
    """Hold it while the attempt runs. Before the first attempt there is a span of the wait in the queue."""
    with traces_of(settings, role="worker") as traces:
        attached = context.attach(parent_of(origin))
        try:
            if job.token == 1:
                waited_s = max(0.0, time.time() - job.created_s)
                traces.record(f"wait {job.queue}", start_ns=int(job.created_s * 1e9), duration_s=waited_s)
            with traces.tracer.start_as_current_span(
                f"job {job.kind}",
                kind=SpanKind.CONSUMER,
                attributes={"pfa.job_id": job.id, "pfa.attempt": job.attempt, "pfa.token": job.token},
            ) as span:
                yield span
        finally:
            context.detach(attached)
