"""Where webhooks may lead: public https addresses, or hosts that the operator names. Nothing inside is reachable."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pfa_store.errors import WebhookRefused

MAX_URL = 2000

_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 addresses that networks turn into IPv4 ones, which may be anything (RFC 6052, RFC 8215)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a message goes."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query."""
    trusted: bool
    """The operator named the host: it may be inside, and without TLS."""

    @property
    def authority(self) -> str:
        """Host and port, as the Host header and TLS want it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, *, allowed: Collection[str]) -> Target:
    """Read a URL; `allowed` are the hosts that the operator names.

    Raises:
        WebhookRefused: it is no URL of http or https, has a password or a fragment, or is not https although its host
            is not an allowed one, or names an address that is not public.
    """
    printable = len(url) <= MAX_URL and url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url if printable else "")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise WebhookRefused(f"The webhook's address cannot be read: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or "%" in host or "\\" in url:
        raise WebhookRefused("A webhook is an ASCII URL such as https://example.org/hook.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookRefused("A webhook's URL has no user, password or fragment.")
    trusted = host in allowed
    if parts.scheme != "https" and not trusted:
        raise WebhookRefused("A webhook's URL begins with https://, unless its host is in PFA_WEBHOOK_ALLOW.")
    if not trusted:
        _refuse_inside(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    number = port if port is not None else {"http": 80, "https": 443}[parts.scheme]
    return Target(scheme=parts.scheme, host=host, port=number, path=path, trusted=trusted)


def chosen_address(target: Target, found: Sequence[str]) -> str:
    """The address to connect to, of those that the name has: checked after the look-up, and no name is looked up again.

    Raises:
        WebhookRefused: it has none, or one that is not public.
    """
    if not found:
        raise WebhookRefused(f"{target.host} has no address.")
    if not target.trusted:
        for text in found:
            address = ipaddress.ip_address(text)
            if not is_public(address):
                raise WebhookRefused(f"{target.host} has the address {address}, which is not a public one.")
    return found[0]


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large, also once networks have translated it."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _TRANSLATED):
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner is not None:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _refuse_inside(host: str) -> None:
    """Names are looked up when something is sent; an address can be refused at once."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host:
            raise WebhookRefused(f"{host} is a name of this machine or its network.") from None
        return
    if not is_public(address):
        raise WebhookRefused(f"{address} is not a public address.")
