"""Server-sent events as the service sends them: lines in, events out, and where to go on after a cut."""

import json
from dataclasses import dataclass, field

import httpx

from pfa_client.errors import ServiceUnreachable, problem_of
from pfa_client.records import JobEvent, record
from pfa_client.transport import RETRIED, Call, asked_s, backoff_s

READ_TIMEOUT_S = 60.0
"""The service gives a sign of life every 15 s."""
_MEDIA_TYPE = "text/event-stream"


@dataclass(slots=True, kw_only=True)
class EventStream:
    """The events of a job from `after` on, across as many connections as it takes."""

    path: str
    url: str
    retries: int
    after: int = 0
    done: bool = False
    """The job is; there is nothing more to come."""
    wait_s: float = 0.0
    """Before the next connection."""
    _failures: int = 0
    _fields: dict[str, str] = field(default_factory=dict)

    def call(self) -> Call:
        """The request that goes on after the last event that was seen."""
        self._fields = {}
        headers = {"Accept": _MEDIA_TYPE} | ({"Last-Event-ID": str(self.after)} if self.after else {})
        return Call(method="GET", path=self.path, headers=headers, repeatable=True)

    def line(self, line: str) -> JobEvent | None:
        """The event that this line ends, if it ends one. Source: HTML Living Standard, server-sent events."""
        if line:
            if line.startswith(":"):  # a sign of life
                self._failures = 0
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data" and "data" in self._fields:
                value = f"{self._fields['data']}\n{value}"
            self._fields[name] = value
            return None
        fields, self._fields = self._fields, {}
        if fields.get("event") == "done":
            self.done = True
        if self.done or "data" not in fields:
            return None
        self._failures = 0
        event = record(JobEvent, json.loads(fields["data"]))
        if event.id <= self.after:
            return None
        self.after = event.id
        return event

    def refused(self, response: httpx.Response) -> None:
        """An answer that is no stream. Raises: ProblemError, unless it is worth asking again."""
        self._failures += 1
        if response.status_code not in RETRIED or self._failures > self.retries:
            raise problem_of(response)
        self.wait_s = asked_s(response) or backoff_s(self._failures)

    def ended(self) -> None:
        """The service closed the stream. Raises: as `cut`, unless the job is done."""
        if not self.done:
            self.cut()

    def cut(self, error: Exception | None = None) -> None:
        """The connection ended. Raises: ServiceUnreachable: too often in a row without a message."""
        self._failures += 1
        if self._failures > self.retries:
            raise ServiceUnreachable(f"{self.url} does not answer: {error or 'the stream ends early'!r}") from error
        self.wait_s = backoff_s(self._failures)
