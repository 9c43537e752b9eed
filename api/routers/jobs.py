"""Start and follow jobs."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, caller
from api.body import parse_json, read_json
from api.deps import Services
from api.desk import Order, place
from api.event_stream import MEDIA_TYPE, counted, follow, wants_stream
from api.ingest import form_limits
from api.multipart import is_multipart, received_form
from api.openapi import form_body, json_body, problems, request_body
from api.repeats import IdempotencyKey
from api.routers.datasets import FORM
from api.routers.videos import Cursor, Limit
from api.schemas.jobs import JobEventRead, JobRead
from api.schemas.page import PageRead, page_of
from pfa_store.job_states import JobStatus
from pfa_store.specs import SPEC_OF, JobKind, Spec

router = APIRouter(prefix="/jobs", tags=["jobs"])
EventCursor = Annotated[int | None, Query(ge=0, lt=2**63, description="`next_cursor` of the page before")]
LastEventId = Annotated[
    int | None, Header(ge=0, lt=2**63, alias="Last-Event-ID", description="SSE: go on after this event")
]

SUMMARY: dict[JobKind, str] = {
    "flow": "Compute flow and make packs, which later jobs reuse",
    "pretrain": "Learn pose features from the motion in unlabelled videos, or by an objective to compare it with",
    "finetune": "Train a pose or an action model on labels",
    "evaluate": "Score a pose or an action model",
    "index": "Fill a collection with fc6 features",
    "tables": "Compare initialisations under one budget: the paper's tables with intervals over seeds",
    "predict": "Find the poses of videos frame by frame, or their actions second by second",
}

EXAMPLE: dict[JobKind, dict[str, Any]] = {
    "flow": {"dataset": "walks"},
    "pretrain": {
        "dataset": "walks",
        "name": "walker",
        "preset": "small",
        "config": {"learn": {"steps": 500}},
        "priority": 5,
    },
    "finetune": {"dataset": "labelled", "task": "pose", "init": "walker@1", "name": "poser"},
    "evaluate": {"dataset": "labelled", "model": "poser@production", "split": "test"},
    "index": {"dataset": "walks", "model": "walker", "collection": "gallery", "every_frames": 5},
    "tables": {
        "dataset": "walks",
        "action": ["labelled-clips"],
        "pose": ["labelled-people"],
        "frames_of": ["labelled-clips"],
        "init": {"motion": "walker@1"},
        "config": {"seeds": 3},
    },
    "predict": {
        "task": "pose",
        "model": "joints@production",
        "videos": ["vid_..."],
        "config": {"detect": "hog", "frame_step": 2, "smoothing": "one_euro"},
    },
}


def _starter(kind: JobKind, spec_type: type[Spec]) -> Callable[..., Coroutine[Any, Any, JobRead]]:
    """The route that starts jobs of one kind."""

    async def start_job(
        request: Request,
        response: Response,
        services: Services,
        who: Annotated[Caller, Security(caller, scopes=["jobs"])],
        idempotency_key: IdempotencyKey = None,
    ) -> JobRead:
        def order(spec: Spec, **form: Any) -> Order:  # noqa: ANN401  # the form, if there is one
            return Order(kind=kind, spec=spec, key_id=who.key_id, idempotency_key=idempotency_key, **form)

        if is_multipart(request):
            limits = form_limits(services.settings, files=FORM, fields=["config"])
            async with received_form(
                request, files=services.store.files, limits=limits, quota=services.store.quota, key_id=who.key_id
            ) as form:
                spec = parse_json(form.fields.get("config", "{}"), spec_type, where="config")
                job = await services.ingest(place, order(spec, form=form), services.store)
        else:
            spec = await read_json(request, spec_type)
            job = await run_in_threadpool(place, order(spec, form=None), services.store)
        response.headers["Location"] = f"/jobs/{job.id}"
        return JobRead.of(job)

    start_job.__doc__ = (
        f"{SUMMARY[kind]}. JSON names the data; a form brings it as `files`, with the same JSON in its field `config`."
    )
    return start_job


for _kind, _spec_type in SPEC_OF.items():
    router.add_api_route(
        f"/{_kind}",
        _starter(_kind, _spec_type),
        methods=["POST"],
        name=f"start_{_kind}",
        summary=SUMMARY[_kind],
        status_code=HTTPStatus.ACCEPTED,
        responses=problems(404, 409, 413, 415, 507),
        openapi_extra=request_body(
            json_body(_spec_type, example=EXAMPLE[_kind]),
            form_body(
                files=FORM,
                many=True,
                fields={"config": f"The JSON body ({_spec_type.__name__}) without `dataset`"},
                required=("files",),
            ),
        ),
    )


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_jobs(
    services: Services,
    status: JobStatus | None = None,
    kind: JobKind | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageRead[JobRead]:
    """Jobs, newest first."""
    return page_of(services.store.jobs.list(status=status, kind=kind, limit=limit, cursor=cursor), JobRead.of)


@router.get("/{job_id}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_job(job_id: str, services: Services) -> JobRead:
    """A job as it is now."""
    return JobRead.of(services.store.jobs.get(job_id))


@router.get(
    "/{job_id}/events",
    dependencies=[Security(caller, scopes=["read"])],
    response_model=PageRead[JobEventRead],
    responses={**problems(404), 200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def read_events(
    job_id: str,
    request: Request,
    services: Services,
    *,
    limit: Limit = 200,
    cursor: EventCursor = None,
    last_event_id: LastEventId = None,
) -> Response | PageRead[JobEventRead]:
    """What happened to a job, in order: a page, or with `Accept: text/event-stream` a stream until it is done."""
    jobs, after = services.store.jobs, last_event_id or cursor or 0
    if wants_stream(request):
        await run_in_threadpool(jobs.get, job_id)
        events = counted(follow(jobs, job_id, after=after), services.metrics.streams)
        return StreamingResponse(events, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
    found = await run_in_threadpool(jobs.events, job_id, after=after, limit=limit + 1)
    shown = found[:limit]
    more = str(shown[-1].id) if len(found) > limit else None
    return PageRead(items=[JobEventRead.of(event) for event in shown], next_cursor=more)
