"""The console's cookie, and what makes a request that bears it one of our own pages' (docs/decisions/0021)."""

from urllib.parse import urlsplit

from fastapi import Request, Response

from api.console.sessions import LASTS_S, ConsoleSessions, Session, anonymous
from api.errors import Forbidden
from pfa_store.keys import Key
from pfa_store.store import Store

CSRF_HEADER = "X-PFA-CSRF"


def cookie_name(request: Request) -> str:
    """With the port: browsers keep one jar for all ports of a host, and two services may run on one machine."""
    port = request.url.port
    return "pfa_session" if port is None else f"pfa_session_{port}"


def session_of(request: Request, store: Store) -> Session | None:
    """The session that a request's cookie names."""
    secret = request.cookies.get(cookie_name(request))
    if store.settings.auth == "off":
        return anonymous(secret)
    return ConsoleSessions(store.files, store.clock).find(secret) if secret else None


def set_cookie(response: Response, request: Request, session: Session) -> None:
    """Give the browser its session: no script can read it, no other site's page can have it sent."""
    response.set_cookie(
        cookie_name(request),
        session.secret,
        max_age=LASTS_S,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def drop_cookie(response: Response, request: Request) -> None:
    response.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict")


def key_by_cookie(request: Request, store: Store) -> Key | None:
    """The key of a call to the API by a script of ours: a cookie counts with the token in a header, never alone.

    Another site's page can neither know the token nor set the header without being asked, and told no, by the browser.
    """
    sent = request.headers.get(CSRF_HEADER)
    session = session_of(request, store) if sent is not None else None
    if session is None or session.key_id is None or not session.is_csrf(sent or "") or is_foreign(request):
        return None
    return store.keys.active(session.key_id)


def need_own_page(request: Request) -> None:
    """Check that a form was sent by a page of ours: browsers say so with every POST. Raises: Forbidden."""
    if request.headers.get("origin") is None or is_foreign(request):
        raise Forbidden("This form was not sent by a page of this service. Open the page here and send it again.")


def is_foreign(request: Request) -> bool:
    """Whether the browser says that another site's page makes the request."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
