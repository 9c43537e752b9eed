"""Webhooks, as they are sent."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.page import time_of, time_or_none
from pfa_store.deliveries import Delivery
from pfa_store.webhooks import Webhook


class WebhookCreate(BaseModel):
    """An address that is told when jobs of this key end."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"url": "https://example.org/pfa"}})

    url: str = Field(max_length=2000, description="https, with a public address")


class WebhookRead(BaseModel):
    """An address that is told when jobs of one key end."""

    id: str
    url: str
    created: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        return cls(id=webhook.id, url=webhook.url, created=time_of(webhook.created_s))


class WebhookCreated(WebhookRead):
    """A new webhook with its secret, which is told this once."""

    secret: str = Field(description="`whsec_` and base64: the receiver checks `webhook-signature` with it")

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        return cls(id=webhook.id, url=webhook.url, created=time_of(webhook.created_s), secret=webhook.secret)


class DeliveryRead(BaseModel):
    """A message to a webhook."""

    id: str = Field(description="`webhook-id` of the message: the same in every attempt")
    job: str
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    last_error: str | None
    created: datetime
    delivered: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            id=delivery.id,
            job=delivery.job_id,
            status=delivery.status,
            attempts=delivery.attempts,
            last_error=delivery.last_error,
            created=time_of(delivery.created_s),
            delivered=time_or_none(delivery.delivered_s),
        )
