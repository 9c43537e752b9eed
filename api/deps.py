"""What routes are handed: the services that `create_app` wired, found on the application."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from pfa_store.settings import Settings
from pfa_store.store import Store

if TYPE_CHECKING:
    from api.inference.service import Inference
    from api.metrics import Metrics
    from api.rates import Rates
    from api.recall import Recall


A = ParamSpec("A")
R = TypeVar("R")

INGESTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSet:
    """Everything that outlives a request."""

    settings: Settings
    store: Store
    inference: "Inference"
    metrics: "Metrics"
    rates: "Rates"
    recall: "Recall"
    ingests: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(INGESTS_AT_ONCE))
    exports: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    async def export(self, work: Callable[[], R]) -> R:
        """Write a model in another form in a thread: one at a time, since each holds all its weights."""
        return await to_thread.run_sync(work, limiter=self.exports)

    async def ingest(self, work: Callable[A, R], *args: A.args, **kwargs: A.kwargs) -> R:
        """Check and keep files in a thread: a few at a time, so that looking at videos never takes every thread."""
        return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=self.ingests)


async def services(request: Request) -> ServiceSet:
    """The services of the application that got the request; async, so that it costs no thread."""
    found = request.app.state.services
    assert isinstance(found, ServiceSet)
    return found


Services = Annotated[ServiceSet, Depends(services)]
