"""Webhooks of API keys, and the signature of what is sent to them. Source: standardwebhooks.com, specification 1.0."""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from pfa_store.database import Sessions
from pfa_store.errors import InUse, WebhookNotFound, WebhooksOff
from pfa_store.idempotency import Once, remember
from pfa_store.records import record_of
from pfa_store.settings import Settings
from pfa_store.webhook_schema import WebhookRow
from pfa_store.webhook_targets import target_of

SECRET_PREFIX = "whsec_"  # noqa: S105  # it marks secrets and is none
MOST = 10
"""Webhooks that one key may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told when jobs of one API key end."""

    id: str
    url: str
    secret: str
    created_s: float
    key_id: str | None


class Webhooks:
    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._on = settings.webhooks == "on"
        self._allowed = settings.webhook_hosts
        self._clock = clock

    def create(self, url: str, *, key_id: str | None = None, once: Once | None = None) -> Webhook:
        """Let `url` be told when a job of this key ends; the answer has the secret that signs what it is told.

        Raises:
            WebhooksOff: the operator has not switched webhooks on.
            WebhookRefused: an address that nothing is sent to.
            InUse: the key has `MOST` webhooks already.
        """
        if not self._on:
            raise WebhooksOff("Webhooks are off here; the operator switches them on by PFA_WEBHOOKS=on.")
        target_of(url, allowed=self._allowed)
        row = WebhookRow(
            id=f"wh_{uuid.uuid4().hex}",
            url=url,
            secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
            created_s=self._clock(),
            key_id=key_id,
        )
        with self._sessions.writing() as session:
            if (session.scalar(select(func.count()).where(WebhookRow.key_id == key_id)) or 0) >= MOST:
                raise InUse(f"This key has {MOST} webhooks already; delete one first.")
            session.add(row)
            remember(session, once, made=row.id, now_s=row.created_s)
            session.flush()
            return record_of(Webhook, row)

    def get(self, webhook_id: str) -> Webhook:
        """Raises: WebhookNotFound."""
        with self._sessions.reading() as session:
            row = session.get(WebhookRow, webhook_id)
            if row is None:
                raise WebhookNotFound(f"There is no webhook {webhook_id!r}.")
            return record_of(Webhook, row)

    def own(self, webhook_id: str, *, key_id: str | None) -> Webhook:
        """A webhook of this key; those of others are not known to it. Raises: WebhookNotFound."""
        webhook = self.get(webhook_id)
        if webhook.key_id != key_id:
            raise WebhookNotFound(f"There is no webhook {webhook_id!r}.")
        return webhook

    def list(self, *, key_id: str | None) -> tuple[Webhook, ...]:
        """The webhooks of this key, the oldest first."""
        statement = select(WebhookRow).where(WebhookRow.key_id == key_id)
        with self._sessions.reading() as session:
            rows = session.scalars(statement.order_by(WebhookRow.created_s, WebhookRow.id))
            return tuple(record_of(Webhook, row) for row in rows)

    def delete(self, webhook_id: str, *, key_id: str | None) -> None:
        """Tell it nothing any more, also not what still waits. Raises: WebhookNotFound."""
        self.own(webhook_id, key_id=key_id)
        with self._sessions.writing() as session:
            session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))


def signed(body: str, *, message_id: str, at_s: float, secret: str) -> Mapping[str, str]:
    """The headers of a message: its id, when it is sent, and `v1,` base64 of HMAC-SHA256 over `id.timestamp.body`."""
    timestamp = str(int(at_s))
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
