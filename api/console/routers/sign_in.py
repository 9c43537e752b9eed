"""In and out of the console. The form is the one page, and the static files beside it, that need no key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.auth import account_for
from api.console.cookies import drop_cookie, need_own_page, session_of, set_cookie
from api.console.pages import SIGN_IN, PageRoute, go_to, render
from api.console.sessions import ConsoleSessions
from api.console.visitor import Form, Posted, read_form
from api.deps import Services
from pfa_store.keys import Key
from pfa_store.store import Store

router = APIRouter(route_class=PageRoute, include_in_schema=False)


async def _entering(request: Request) -> Form:
    """The sign-in form; there is no session yet whose token it could bear, but it is sent by our own page."""
    need_own_page(request)
    return await read_form(request)


Next = Annotated[str, Query(alias="next")]


@router.get(SIGN_IN)
def show_sign_in(request: Request, services: Services, after: Next = "/") -> Response:
    """The form; whoever is signed in already, or need not, goes on."""
    if _is_known(request, services.store):
        return go_to(_inside(after))
    return render(request, "sign_in.html", None, after=_inside(after), message="")


@router.post(SIGN_IN)
def sign_in(request: Request, services: Services, form: Annotated[Form, Depends(_entering)]) -> Response:
    """Check a key and begin a session."""
    store, after = services.store, _inside(form.one("next"))
    if store.settings.auth == "off":
        return go_to(after)
    account_for(request, services, None)
    key = store.keys.find(form.one("key"))
    if key is None:
        message = "This key is not known here, or it was revoked."
        return render(request, "sign_in.html", None, status=401, after=after, message=message)
    request.state.key_id = key.id
    response = go_to(after)
    set_cookie(response, request, ConsoleSessions(store.files, store.clock).begin(key.id))
    return response


@router.post("/console/sign-out")
def sign_out(request: Request, services: Services, _form: Posted) -> Response:
    """End the session, here and in the browser."""
    session = session_of(request, services.store)
    if session is not None and session.key_id is not None:
        ConsoleSessions(services.store.files, services.store.clock).end(session.secret)
    response = go_to(SIGN_IN)
    drop_cookie(response, request)
    return response


def _is_known(request: Request, store: Store) -> bool:
    if store.settings.auth == "off":
        return True
    session = session_of(request, store)
    found: Key | None = None
    if session is not None and session.key_id is not None:
        found = store.keys.active(session.key_id)
    return found is not None


def _inside(path: str) -> str:
    """Where to go on: a page of the console, never another site."""
    ours = path.startswith("/console/") and "\\" not in path and path.isprintable()
    return path if ours and not path.startswith(SIGN_IN) else "/"
