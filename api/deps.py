"""What routes are handed: the services that `create_app` wired, found on the application."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from pfa_store.settings import Settings
from pfa_store.store import Store

if TYPE_CHECKING:
    from api.inference.service import Inference
    from api.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSet:
    """Everything that outlives a request."""

    settings: Settings
    store: Store
    inference: "Inference"
    metrics: "Metrics"


async def services(request: Request) -> ServiceSet:
    """The services of the application that got the request; async, so that it costs no thread."""
    found = request.app.state.services
    assert isinstance(found, ServiceSet)
    return found


Services = Annotated[ServiceSet, Depends(services)]
