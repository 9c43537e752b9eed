"""Jobs: their list, the forms that start them, one of them as it goes on, and what can be asked of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.console.job_forms import KINDS, TASKS, FormKind, fields_of, task_of
from api.console.job_orders import spec_of
from api.console.job_results import results_of
from api.console.pages import PageRoute, go_to, render
from api.console.preset_values import values_of
from api.console.visitor import Form, Posted, Reader, Worker
from api.deps import Services
from api.desk import Order, place
from api.event_stream import MEDIA_TYPE, counted, follow
from api.job_files import file_of, files_of, media_type_of
from api.job_predictions import page_of_answers
from api.problems import status_of
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.errors import PfaError
from pfa_store.job_metrics import Row
from pfa_store.job_record import Job, JobEvent
from pfa_store.job_states import WAITING
from pfa_store.specs import PretrainSpec
from pfa_store.store import Store

router = APIRouter(prefix="/console/jobs", route_class=PageRoute, include_in_schema=False)

LOG_LINES = 200
ANSWERS = 50
"""Frames or windows on a page."""
MOST_EVENTS = 200
"""Shown of a job; progress is not among them."""
Ask = Callable[[Store, str], Job]


@router.get("")
def show_jobs(request: Request, services: Services, who: Reader, cursor: str | None = None) -> Response:
    """The jobs, newest first."""
    page = services.store.jobs.list(limit=50, cursor=cursor)
    return render(request, "jobs.html", who, page=page, kinds=KINDS, paged=cursor is not None)


@router.get("/new/{kind}")
def show_form(kind: FormKind, request: Request, services: Services, who: Worker) -> Response:
    """The form that starts a job of one kind; the query fills it in."""
    query = request.query_params
    asked = Form({name: query.getlist(name) for name in query if name != "csrf"})
    return _form_page(request, services.store, who, kind, form=asked, message="", status=200)


@router.post("/new/{kind}")
def start_job(kind: FormKind, request: Request, services: Services, who: Worker, form: Posted) -> Response:
    """Start it as the API would, or say in the form what is wrong."""
    store = services.store
    try:
        spec = spec_of(kind, form)
        job = place(Order(kind=kind, spec=spec, form=None, key_id=who.caller.key_id, idempotency_key=None), store)
    except PfaError as error:
        status = status_of(error).value
        return _form_page(request, store, who, kind, form=form, message=str(error), status=status)
    return go_to(f"/console/jobs/{job.id}")


def _form_page(
    request: Request,
    store: Store,
    who: Worker,
    kind: FormKind,
    *,
    form: Form,
    message: str,
    status: int,
) -> Response:
    task = task_of(kind, form)
    return render(
        request,
        "job_new.html",
        who,
        status=status,
        kind=kind,
        kinds=KINDS,
        tasks=TASKS.get(kind),
        task=task,
        fields=[(field, field.values(form)) for field in fields_of(kind, store, task)],
        tables=values_of(kind, task),
        message=message,
    )


@router.get("/{job_id}")
def show_job(job_id: str, request: Request, services: Services, who: Reader) -> Response:
    """A job as it is now; a script keeps the page up to date."""
    store = services.store
    job = store.jobs.get(job_id)
    events = list(_events(store, job))
    return render(
        request,
        "job.html",
        who,
        job=job,
        asks=[name for name, (may, _) in ASKS.items() if may(job)],
        rows=_finite(store.views.rows(job)),
        chance=_chance(job),
        log=store.views.log(job).tail(LOG_LINES).decode("utf-8", "replace"),
        events=[event for event in events if event.kind != "progress"][-MOST_EVENTS:],
        last=events[-1].id if events else 0,
        results=results_of(store, job),
        files=[(path.name, media_type_of(path)) for path in files_of(store, job).values()],
    )


def _events(store: Store, job: Job) -> Iterator[JobEvent]:
    """All that is kept, page by page."""
    after = 0
    while found := store.jobs.events(job.id, after=after, limit=1000):
        yield from found
        after = found[-1].id


def _finite(rows: Sequence[Row]) -> list[Row]:
    """What JSON can say: a figure that is not a number is left out."""
    return [{name: value for name, value in row.items() if math.isfinite(value)} for row in rows]


def _chance(job: Job) -> float | None:
    """Accuracy of guessing in the pretext task. Source: paper section 3."""
    spec = job.request
    config = spec.resolve() if isinstance(spec, PretrainSpec) else None
    if not isinstance(config, PretrainConfig):
        return None
    return config.num_negatives / (1 + config.num_negatives)


@router.get("/{job_id}/events")
async def follow_events(
    job_id: str,
    services: Services,
    _who: Reader,
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**63)] = None,
    after: int = 0,
) -> Response:
    """The API's stream of events, for an EventSource: it can send the cookie, but no header with a token."""
    jobs = services.store.jobs
    await run_in_threadpool(jobs.get, job_id)
    events = counted(follow(jobs, job_id, after=last_event_id or max(0, after)), services.metrics.streams)
    return StreamingResponse(events, media_type=MEDIA_TYPE)


@router.get("/{job_id}/predictions")
def show_predictions(
    job_id: str, video: str, request: Request, services: Services, who: Reader, *, cursor: str | None = None
) -> Response:
    """What a prediction job found in one video, some frames or windows at a time."""
    store = services.store
    job = store.jobs.get(job_id)
    items, following = page_of_answers(store, job, video=video, limit=ANSWERS, cursor=cursor)
    assert job.result is not None
    entry = next(entry for entry in job.result["videos"] if entry["video"] == video)
    return render(
        request,
        "predictions.html",
        who,
        job=job,
        entry=entry,
        items=items,
        following=following,
        later=cursor is not None,
    )


@router.get("/{job_id}/files/{name}")
def read_job_file(job_id: str, name: str, services: Services, _who: Reader) -> FileResponse:
    """A file that a job made, for a link, an `img` or a `video`: those can send the cookie, but no header."""
    path = file_of(services.store, services.store.jobs.get(job_id), name)
    return FileResponse(path, media_type=media_type_of(path), filename=name, content_disposition_type="inline")


def _rung(ask: Ask) -> Ask:
    def asked(store: Store, job_id: str) -> Job:
        job = ask(store, job_id)
        store.queue.ring(job)
        return job

    return asked


ASKS: dict[str, tuple[Callable[[Job], bool], Ask]] = {
    "pause": (
        lambda job: job.status in ("queued", "running"),
        lambda store, job_id: store.jobs.request_pause(job_id),
    ),
    "resume": (
        lambda job: job.status == "paused",
        _rung(lambda store, job_id: store.jobs.request_resume(job_id)),
    ),
    "cancel": (
        lambda job: job.status in WAITING or job.status in ("running", "pausing"),
        lambda store, job_id: store.jobs.request_cancel(job_id),
    ),
    "retry": (
        lambda job: job.status in ("failed", "cancelled"),
        _rung(lambda store, job_id: store.jobs.request_retry(job_id)),
    ),
}
"""What can be asked of a job, when it is offered, and how it is done."""


def _add(name: str, ask: Ask) -> None:
    def ask_of_job(job_id: str, services: Services, _who: Worker, _form: Posted) -> Response:
        ask(services.store, job_id)
        return go_to(f"/console/jobs/{job_id}")

    router.add_api_route(f"/{{job_id}}/{name}", ask_of_job, methods=["POST"], name=f"console_{name}_job")


for _name, (_, _ask) in ASKS.items():
    _add(_name, _ask)
