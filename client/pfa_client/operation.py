"""Calls about the service itself: whether it can take work, who does it, and what it counts."""

from pfa_client.methods import call
from pfa_client.records import Worker, record
from pfa_client.transport import Call, Steps
from pfa_client.wire import Wire


class OperationCalls(Wire):
    """Health, workers, metrics."""

    @call
    def live(self) -> Steps[bool]:
        """Whether the service answers at all. Raises: ServiceUnreachable."""
        response = yield from self._send(Call(method="GET", path="/health/live", repeatable=True))
        return response.is_success

    @call
    def ready(self) -> Steps[bool]:
        """Whether the service can take work just now; asked once. Raises: httpx.TransportError: it does not answer."""
        response = yield Call(method="GET", path="/health/ready")
        return bool(response.is_success)

    @call
    def workers(self) -> Steps[list[Worker]]:
        """The workers that do the jobs, by queue."""
        return [record(Worker, plain) for plain in (yield from self._all("/workers"))]

    @call
    def metrics(self) -> Steps[str]:
        """What the service counts, in Prometheus' text format."""
        return (yield from self._send(Call(method="GET", path="/metrics", repeatable=True))).text
