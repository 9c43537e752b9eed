"""Addresses that are told when the jobs of a key end (standardwebhooks.com). Off unless the operator says so."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, caller
from api.body import read_json
from api.deps import Services
from api.openapi import json_body, problems, request_body
from api.repeats import IdempotencyKey, once_of
from api.schemas.page import PageRead
from api.schemas.webhooks import DeliveryRead, WebhookCreate, WebhookCreated, WebhookRead
from pfa_store.idempotency import Once
from pfa_store.store import Store
from pfa_store.webhooks import Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
Owner = Annotated[Caller, Security(caller, scopes=["jobs"])]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(404, 409, 413, 415),
    openapi_extra=request_body(json_body(WebhookCreate)),
)
async def create_webhook(
    request: Request, response: Response, services: Services, who: Owner, idempotency_key: IdempotencyKey = None
) -> WebhookCreated:
    """Let an address be told when a job of this key ends; the answer has the secret that signs the messages."""
    body = await read_json(request, WebhookCreate)
    once = once_of(idempotency_key, route="/webhooks", key_id=who.key_id, document=body.model_dump())
    webhook = await run_in_threadpool(_create, services.store, body.url, who.key_id, once)
    response.headers["Location"] = f"/webhooks/{webhook.id}"
    return WebhookCreated.of(webhook)


def _create(store: Store, url: str, key_id: str | None, once: Once | None) -> Webhook:
    with store.idempotency.alone(once) as made:
        if made is not None:
            return store.webhooks.own(made["id"], key_id=key_id)
        return store.webhooks.create(url, key_id=key_id, once=once)


@router.get("", responses=problems())
def list_webhooks(services: Services, who: Owner) -> PageRead[WebhookRead]:
    """The webhooks of this key, the oldest first."""
    found = services.store.webhooks.list(key_id=who.key_id)
    return PageRead(items=[WebhookRead.of(webhook) for webhook in found], next_cursor=None)


@router.get("/{webhook_id}", responses=problems(404))
def read_webhook(webhook_id: str, services: Services, who: Owner) -> WebhookRead:
    """One webhook of this key."""
    return WebhookRead.of(services.store.webhooks.own(webhook_id, key_id=who.key_id))


@router.get("/{webhook_id}/deliveries", responses=problems(404))
def list_deliveries(webhook_id: str, services: Services, who: Owner) -> PageRead[DeliveryRead]:
    """What a webhook was told in the last week, or is to be told: the newest hundred."""
    webhook = services.store.webhooks.own(webhook_id, key_id=who.key_id)
    found = services.store.deliveries.of(webhook.id)
    return PageRead(items=[DeliveryRead.of(delivery) for delivery in found], next_cursor=None)


@router.delete("/{webhook_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def delete_webhook(webhook_id: str, services: Services, who: Owner) -> None:
    """Tell an address nothing any more."""
    services.store.webhooks.delete(webhook_id, key_id=who.key_id)
