"""The port of the API: free, or held by the service itself."""

import socket
from collections.abc import Iterator

import httpx

from pfa.doctor.finding import Finding, broken, ok
from pfa_store.settings import Settings


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the API can listen, or does already."""
    if settings.port == 0:
        yield ok("port", "a free one will be taken")
        return
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if _is_ours(settings):
                yield ok("port", f"the service answers on {where}")
            else:
                remedy = "Stop what holds it (ss -ltnp shows who), or set PFA_PORT and PFA_HOST."
                yield broken("port", f"{where} cannot be listened on: {error.strerror}", remedy=remedy)
            return
    yield ok("port", f"{where} is free")


def _is_ours(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  # what it may be set to
    try:
        answer = httpx.get(f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/health/live", timeout=3.0)
    except (httpx.TransportError, OSError):
        return False
    return answer.text.replace(" ", "") == '{"status":"live"}'
