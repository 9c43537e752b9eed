"""A span for each phase of a job, in the trace of the request that asked for it."""

from opentelemetry.trace import Span

from pfa_core.progress import Progress
from pfa_store.traces import Traces, parent_of


class PhaseSpans:
    """Call it with every step; close it when there are no more."""

    def __init__(self, traces: Traces, traceparent: str = "") -> None:
        self._traces = traces
        """traceparent: of the attempt's span, in which these are; empty: traces are off."""
        self._parent = parent_of({"traceparent": traceparent})
        self._phase: str | None = None
        self._span: Span | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.phase == self._phase:
            return
        self.close()
        self._phase = progress.phase
        self._span = self._traces.tracer.start_span(
            progress.phase or "job", context=self._parent, attributes={"pfa.total": progress.total}
        )

    def close(self) -> None:
        """The phase that runs is over."""
        if self._span is not None:
            self._span.end()
        self._span, self._phase = None, None
