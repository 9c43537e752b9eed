"""Pages: templates, the route that answers errors as pages too, and ways on."""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from api.console.cookies import set_cookie
from api.console.visitor import Visitor
from api.errors import Unauthenticated
from api.problems import describe, faults_of, status_of
from pfa_core.errors import PfaError

SIGN_IN = "/console/sign-in"

NAVIGATION = (
    ("/", "Overview", "home"),
    ("/console/videos", "Videos", "videos"),
    ("/console/datasets", "Data sets", "datasets"),
    ("/console/jobs", "Jobs", "jobs"),
    ("/console/models", "Models", "models"),
    ("/console/play", "Playground", "play"),
    ("/console/flow", "Flow", "flow"),
)
"""Path, words, and the name by which a template says where it is."""


def bytes_text(num_bytes: float) -> str:
    """`1.4 MB`: what people read."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def span_text(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `4.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest_s} s"


def figure_text(value: object) -> str:
    """A metric: four digits of a float, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def json_text(value: object) -> str:
    """Plain values as indented JSON: text, which the template escapes as any other."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def iso_time(seconds: float) -> str:
    """Seconds since 1970 for a `datetime` attribute."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def utc_time(seconds: float) -> str:
    """The same for people; a script writes it in their own zone."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("api.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "bytes": bytes_text, "span": span_text, "figure": figure_text, "iso": iso_time, "utc": utc_time,
        "path": _quoted, "json": json_text,
    }  # fmt: skip
    found.globals["navigation"] = NAVIGATION
    return found


def _quoted(value: object) -> str:
    """A name as one part of a path."""
    return quote(str(value), safe="")


_TEMPLATES = _environment()


def render(
    request: Request,
    template: str,
    who: Visitor | None,
    *,
    status: int = 200,
    **context: Any,  # noqa: ANN401  # whatever the template names
) -> HTMLResponse:
    """A page, for whoever looks at it."""
    text = _TEMPLATES.get_template(template).render(who=who, here=request.url.path, **context)
    response = HTMLResponse(text, status_code=status)
    if who is not None and not who.signed_in:
        set_cookie(response, request, who.session)
    return response


def go_to(path: str, **query: str) -> RedirectResponse:
    """After a form: on to a page, which reloading does not send again."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)


class PageRoute(APIRoute):
    """A route whose errors are pages: what went wrong, in the words of the API's problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated:
                back = request.url.path if request.method == "GET" else "/"
                return go_to(SIGN_IN, next=back)
            except PfaError as error:
                wait_s = error.facts.get("retry_after_s")
                response = await _error_page(request, status_of(error).value, str(error))
                if wait_s is not None:
                    response.headers["Retry-After"] = str(wait_s)
                return response
            except RequestValidationError as error:
                return await _error_page(request, 422, describe(faults_of(error.errors())))

        return page


async def _error_page(request: Request, status: int, message: str) -> HTMLResponse:
    who = getattr(request.state, "visitor", None)

    def page() -> HTMLResponse:
        return render(request, "error.html", who, status=status, message=message, number=status)

    return await run_in_threadpool(page)
