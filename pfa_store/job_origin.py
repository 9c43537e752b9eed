"""Where a job comes from, so that its work can be found beside the request that asked for it.

It is kept with the job's first event, not in a Celery message: one bell is one claim of whichever job's turn it is.
"""

from collections.abc import Mapping

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pfa_store import logs
from pfa_store.job_record import Job

MEMBERS = ("request_id", "traceparent")
"""`request_id` of the HTTP request; `traceparent` (W3C Trace Context) of its span, where traces are on."""


def origin_here() -> Mapping[str, str]:
    """The origin of a job that is made just now in this task or thread; what is not known is left out."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    request_id = logs.bound_fields().get("request_id")
    known = {"request_id": request_id, "traceparent": carrier.get("traceparent")}
    return {name: str(value) for name, value in known.items() if value}


def fields_of(job: Job, origin: Mapping[str, str]) -> dict[str, object]:
    """What each line about an attempt of a job is logged with."""
    asked = {"request_id": origin["request_id"]} if "request_id" in origin else {}
    return {"job_id": job.id, "attempt": job.attempt, "token": job.token, **asked}
