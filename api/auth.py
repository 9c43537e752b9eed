"""Who calls, and what they may do.

A route says what it needs: `dependencies=[Security(caller, scopes=["read"])]`. The same words appear in the OpenAPI
document, which is what the test of every route reads.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool

from api.console.cookies import is_foreign, key_by_cookie
from api.deps import Services
from api.errors import Forbidden, RateLimited, RequestInvalid, Unauthenticated
from pfa_store.keys import SCOPES
from pfa_store.settings import is_loopback

_bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="`Authorization: Bearer <key>`; a key is made by `pfa keys`"
)
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey", description="`X-API-Key: <key>`")


UNCOUNTED = frozenset({"/metrics"})
"""Paths that what watches the service calls: no rate holds for them, nor for `/health`, which knows no keys."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that a request came with."""

    key_id: str | None
    """None where keys are switched off."""
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Check one scope; `admin` may do everything.

        Raises:
            Forbidden: the key lacks it.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(
                f"This key lacks the scope {scope!r}; it has: {', '.join(sorted(self.scopes)) or 'none'}."
                " Use another key, or let an administrator make one.",
                scope=scope,
            )


async def caller(
    needed: SecurityScopes,
    request: Request,
    services: Services,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> Caller:
    """The caller, once it is known and may do what the route needs.

    A script of the console comes with its session's cookie and the token of its page in a header instead of a key.

    Raises:
        Unauthenticated: no key, or one that is unknown or revoked.
        Forbidden: the key lacks a scope.
        RateLimited: the key calls more often than it may.
        RequestInvalid: the query has the character NUL, which databases cannot look for.
    """
    if services.settings.auth == "off":
        refuse_other_sites(request)
        account_for(request, services, None)
        refuse_nul(request)
        return Caller(None, frozenset(SCOPES))
    secret = bearer.credentials if bearer else header
    if secret:
        asked = ("key", hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest())
        key = await services.recall.of(asked, partial(services.store.keys.find, secret))
    else:
        key = await run_in_threadpool(key_by_cookie, request, services.store)
    if key is None and not secret:
        raise Unauthenticated("This call needs a key: send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
    if key is None:
        raise Unauthenticated("This key is not known here, or it was revoked.")
    found = Caller(key.id, frozenset(key.scopes))
    account_for(request, services, key.id)
    for scope in needed.scopes:
        found.require(scope)
    refuse_nul(request)
    return found


def account_for(request: Request, services: Services, key_id: str | None) -> None:
    """Tell the account (api/account) whose call this is, and count it. Raises: RateLimited."""
    request.state.key_id = key_id
    if request.url.path in UNCOUNTED:
        return
    taken = services.rates.take(key_id)
    request.state.rate_headers = taken.headers
    if taken.wait_s:
        raise RateLimited(
            f"This key has made as many calls as it may for now; the next one is free in {taken.wait_s} s.",
            retry_after_s=taken.wait_s,
        )


def refuse_nul(request: Request) -> None:
    """Raises: RequestInvalid: the query has NUL."""
    if "%00" in request.url.query:
        raise RequestInvalid("The query has the character NUL, which no name or cursor may have.")


def refuse_other_sites(request: Request) -> None:
    """Without keys, a web page of another site must not reach this service through its visitor's browser.

    Raises:
        Forbidden: the Host is not this machine (DNS rebinding), or the Origin is another site's.
    """
    host = request.url.hostname or ""
    if not is_loopback(host):
        raise Forbidden("Without keys this service answers on a loopback name only, such as 127.0.0.1 or localhost.")
    if is_foreign(request):
        raise Forbidden("Without keys this service does not answer pages of other sites.")
