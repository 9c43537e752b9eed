"""Who looks at a page, and the forms that they send."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request, Security
from fastapi.security import SecurityScopes

from api.auth import Caller, account_for, refuse_nul, refuse_other_sites
from api.body import read_body
from api.console.cookies import need_own_page, session_of
from api.console.sessions import Session
from api.deps import Services
from api.errors import Forbidden, MediaUnsupported, RequestInvalid, Unauthenticated
from pfa_store.keys import SCOPES
from pfa_store.store import Store

MAX_FORM_BYTES = 4 * 2**20
"""Thousands of labels; more come as a file of annotations."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser with its session."""

    session: Session
    caller: Caller
    signed_in: bool
    """False where keys are switched off: there is nothing to sign out of."""

    def may(self, scope: str) -> bool:
        """Whether a page offers what needs this scope."""
        return scope in self.caller.scopes or "admin" in self.caller.scopes


def _found(request: Request, store: Store) -> Visitor | None:
    """Whoever the cookie says; None: nobody who is signed in.

    Raises:
        Forbidden: without keys, a request that came by another site's page or name.
    """
    session = session_of(request, store)
    if store.settings.auth == "off":
        refuse_other_sites(request)
        assert session is not None
        return Visitor(session, Caller(None, frozenset(SCOPES)), signed_in=False)
    key = store.keys.active(session.key_id) if session is not None and session.key_id is not None else None
    if session is None or key is None:
        return None
    return Visitor(session, Caller(key.id, frozenset(key.scopes)), signed_in=True)


def known(request: Request, services: Services) -> Visitor:
    """The visitor, found and counted once a request.

    Raises:
        Unauthenticated: not signed in; the page becomes the way to the sign-in.
        RateLimited: the key calls more often than it may.
    """
    found = _found(request, services.store)
    if found is None:
        raise Unauthenticated("Sign in first.")
    request.state.visitor = found
    account_for(request, services, found.caller.key_id)
    refuse_nul(request)
    return found


Known = Annotated[Visitor, Depends(known)]


def visitor(needed: SecurityScopes, who: Known) -> Visitor:
    """The visitor, who may do what the page needs. Raises: Forbidden: the key lacks a scope."""
    for scope in needed.scopes:
        who.caller.require(scope)
    return who


Reader = Annotated[Visitor, Security(visitor, scopes=["read"])]
Worker = Annotated[Visitor, Security(visitor, scopes=["jobs"])]
Predictor = Annotated[Visitor, Security(visitor, scopes=["predict"])]
Admin = Annotated[Visitor, Security(visitor, scopes=["admin"])]


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that a page of ours sent."""

    fields: dict[str, list[str]]

    def one(self, name: str) -> str:
        """The only value of a field, without the space around it; empty where it was left so."""
        return self.fields.get(name, [""])[0].strip()

    def all(self, name: str) -> list[str]:
        return self.fields.get(name, [])


async def read_form(request: Request) -> Form:
    """The fields of a request's body.

    Raises:
        MediaUnsupported: not a form without files; those go to the API.
        PayloadTooLarge: over MAX_FORM_BYTES.
        RequestInvalid: it does not read.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise MediaUnsupported("A form of this page is application/x-www-form-urlencoded.")
    body = await read_body(request, max_bytes=MAX_FORM_BYTES, what="The form")
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=100_000)
    except ValueError as error:
        raise RequestInvalid(f"The form does not read: {error}.") from error
    if any("\0" in value for values in fields.values() for value in values):
        raise RequestInvalid("The form has the character NUL, which no name or label may have.")
    return Form(fields)


async def posted(request: Request, who: Known) -> Form:
    """The form of a POST, once it is certain that a page of ours sent it.

    Raises:
        Forbidden: it came from elsewhere, or its token is not this session's; as `read_form` otherwise.
    """
    need_own_page(request)
    form = await read_form(request)
    if not who.session.is_csrf(form.one("csrf")):
        raise Forbidden("The form's token is not this session's: the page is too old. Open it again, then send it.")
    return form


Posted = Annotated[Form, Depends(posted)]
