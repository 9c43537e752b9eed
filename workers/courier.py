"""Takes messages to webhooks: a few at a time, beside the dispatcher's rounds, and never into the network inside."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import httpx

from pfa_store.deliveries import Deliveries, Delivery
from pfa_store.errors import StoreUnavailable, WebhookNotFound, WebhookRefused
from pfa_store.store import Store
from pfa_store.webhook_targets import Target, chosen_address, target_of
from pfa_store.webhooks import Webhook, signed

AT_ONCE = 4
TIMEOUT_S = 15.0
"""For all of it, from looking up the name to the status; what the receiver answers beyond that is not read."""

logger = logging.getLogger(__name__)


class Courier:
    """Sends what is due, in threads of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier")
        self._running: set[Future[None]] = set()

    def round(self) -> None:
        """Write down what has ended, and begin to send what is due. Does nothing while webhooks are off.

        Raises:
            StoreUnavailable: the database does not answer; the next round will do it.
        """
        if self._store.settings.webhooks == "off":
            return
        now_s = self._store.clock()
        deliveries: Deliveries = self._store.deliveries
        deliveries.note_ends(now_s)
        deliveries.forget(now_s)
        self._running = {future for future in self._running if not future.done()}
        for delivery in deliveries.claim_due(now_s, limit=AT_ONCE - len(self._running)):
            self._running.add(self._pool.submit(self._deliver, delivery))

    def close(self) -> None:
        """Wait for what is on its way."""
        self._pool.shutdown(wait=True)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            webhook = self._store.webhooks.get(delivery.webhook_id)
            self._send(delivery, webhook)
        except WebhookNotFound:
            pass  # deleted meanwhile, and its messages with it
        except StoreUnavailable as error:
            logger.warning("what became of %s was not noted; it is sent again: %s", delivery.id, error)

    def _send(self, delivery: Delivery, webhook: Webhook) -> None:
        deliveries = self._store.deliveries
        settings = self._store.settings
        headers = signed(delivery.body, message_id=delivery.id, at_s=self._store.clock(), secret=webhook.secret)
        try:
            target = target_of(webhook.url, allowed=settings.webhook_hosts)
            status = asyncio.run(post(target, delivery.body, headers))
        except WebhookRefused as error:
            deliveries.missed(delivery, str(error), for_good=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            deliveries.missed(delivery, f"{type(error).__name__}: {error}")
        else:
            if httpx.codes.is_success(status):
                deliveries.delivered(delivery)
            else:
                deliveries.missed(delivery, f"it answered {status}", for_good=status == httpx.codes.GONE)


async def post(target: Target, body: str, headers: Mapping[str, str]) -> int:
    """Send a message to the address that was checked, and return the status of the answer.

    The name is looked up once and the connection goes to that very address; TLS still proves the name. Redirects are
    not followed, proxies of the environment not used, and the answer's body is not read.

    Raises:
        WebhookRefused: the name leads inside.
        httpx.HTTPError, OSError, TimeoutError: nobody took it.
    """
    async with asyncio.timeout(TIMEOUT_S):
        address = chosen_address(target, await _addresses(target))
        url = httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.path.encode())
        all_headers = {
            **headers,
            "Host": target.authority,
            "Content-Type": "application/json",
            "User-Agent": "pfa-webhook",
        }
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client:
            extensions = {"sni_hostname": target.host}
            async with client.stream("POST", url, content=body, headers=all_headers, extensions=extensions) as answer:
                return answer.status_code


async def _addresses(target: Target) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
