"""Calls about addresses that are told when jobs end."""

import uuid

from pfa_client.methods import call
from pfa_client.records import Delivery, Webhook, record
from pfa_client.transport import Call, Steps, at
from pfa_client.wire import Wire


class WebhookCalls(Wire):
    """Webhooks of the key that the client has. Off unless the operator set PFA_WEBHOOKS=on."""

    @call
    def create_webhook(self, url: str) -> Steps[Webhook]:
        """Let an address be told when a job of this key ends; only this answer has `secret`."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        call = Call(method="POST", path="/webhooks", json={"url": url}, headers=headers, repeatable=True)
        return record(Webhook, (yield from self._json(call)))

    @call
    def webhooks(self) -> Steps[list[Webhook]]:
        """The webhooks of this key, the oldest first."""
        return [record(Webhook, plain) for plain in (yield from self._all("/webhooks"))]

    @call
    def webhook(self, webhook_id: str) -> Steps[Webhook]:
        """One webhook."""
        return record(Webhook, (yield from self._get(at("webhooks", webhook_id))))

    @call
    def webhook_deliveries(self, webhook_id: str) -> Steps[list[Delivery]]:
        """What it was told in the last week, or is to be told: the newest hundred."""
        found = yield from self._all(at("webhooks", webhook_id, "deliveries"))
        return [record(Delivery, plain) for plain in found]

    @call
    def delete_webhook(self, webhook_id: str) -> Steps[None]:
        """Tell an address nothing any more."""
        yield from self._delete(at("webhooks", webhook_id))
