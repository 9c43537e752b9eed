"""What the processes of this service log: lines for people, or a JSON object a line for programs.

One function sets it up for every process and every library in it. What a process works on (a request, a job) is bound
to the context of a task or thread, and every line that is written there has it.
"""

import contextlib
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry import trace

from pfa_store.settings import Settings

OURS = ("__main__", "api", "pfa", "pfa_core", "pfa_store", "uvicorn", "workers")
"""Loggers that follow PFA_LOG_LEVEL; all others, which are libraries', tell warnings at most."""
SILENT = ("opentelemetry.exporter",)
"""A collector that is away is told once, by `pfa_store/trace_export`."""
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("pfa_log_fields")

logger = logging.getLogger(__name__)


def configure(settings: Settings, *, role: str) -> None:
    """Let everything that this process logs go to its standard error, as the settings say. May be called again.

    role: what kind of process it is: `api`, `dispatcher`, `worker-flow`, `worker-train`, `runner`, `helper`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(role) if settings.log_format == "json" else logging.Formatter(TEXT))
    level = settings.log_level.upper()
    quieter = max(logging.WARNING, logging.getLevelNamesMapping()[level])
    logging.basicConfig(level=quieter, handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(True)
    if settings.log_format == "json":
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread


def bind(**fields: object) -> None:
    """From now on, lines of this task or thread and of what it starts have these fields too."""
    _BOUND.set({**_BOUND.get({}), **fields})


@contextlib.contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Bind fields for a block."""
    token = _BOUND.set({**_BOUND.get({}), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_fields() -> Mapping[str, object]:
    """What is bound here."""
    return _BOUND.get({})


class JsonLines(logging.Formatter):
    """A record as one line of JSON. `extra={"fields": {...}}` of a log call adds members of its own."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """Members that say nothing are left out; what JSON does not know is written as text."""
        line: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "role": self._role,
            "pid": record.process,
            "message": record.getMessage(),
            **_BOUND.get({}),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logger.critical("the process ends by an exception", exc_info=(kind, error, traceback))


def _uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        where = "?" if ended.thread is None else ended.thread.name
        what = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logger.critical("thread %s ends by an exception", where, exc_info=what)
