"""What a prediction job found."""

from typing import Annotated

from fastapi import APIRouter, Query, Security

from api.auth import caller
from api.deps import Services
from api.job_predictions import page_of_answers
from api.openapi import problems
from api.routers.videos import Cursor, Limit
from api.schemas.job_predictions import FrameRead, WindowRead
from api.schemas.page import PageRead

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


@router.get("/predictions", dependencies=[Security(caller, scopes=["read"])], responses=problems(404, 409, 410))
def list_predictions(
    job_id: str,
    services: Services,
    video: Annotated[str | None, Query(description="Id of a video: only what was found in it")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageRead[FrameRead | WindowRead]:
    """The answers of a prediction job that has succeeded: frames with their people, or windows with their labels.

    `GET /jobs/{id}/files` lists the same as CSV and COCO keypoints JSON, and videos with the skeletons drawn.
    """
    job = services.store.jobs.get(job_id)
    items, following = page_of_answers(services.store, job, video=video, limit=limit, cursor=cursor)
    return PageRead(items=items, next_cursor=following)
