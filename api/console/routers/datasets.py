"""Data sets: their list, one of them, and new ones of videos that are here. Files with annotations go to the API."""

from fastapi import APIRouter, Request, Response

from api.body import validated
from api.console.pages import PageRoute, go_to, render
from api.console.visitor import Form, Posted, Reader, Worker
from api.deps import Services
from api.problems import status_of
from api.schemas.datasets import DatasetCreate
from pfa_core.errors import PfaError
from pfa_core.importers.formats import FORMATS

router = APIRouter(prefix="/console/datasets", route_class=PageRoute, include_in_schema=False)

MOST_VIDEOS = 500
"""Shown to choose from; more are chosen by a file of labels, or by the API."""
MOST_ITEMS = 200


@router.get("")
def show_datasets(request: Request, services: Services, who: Reader, cursor: str | None = None) -> Response:
    """The data sets, newest first."""
    return render(request, "datasets.html", who, page=services.store.datasets.list(limit=50, cursor=cursor))


@router.get("/new")
def show_new(request: Request, services: Services, who: Worker) -> Response:
    """Two forms: from videos that are here, or from files."""
    videos = services.store.videos.list(limit=MOST_VIDEOS)
    return render(request, "dataset_new.html", who, videos=videos, formats=FORMATS, form=None, message="")


@router.post("/new")
def make_dataset(request: Request, services: Services, who: Worker, form: Posted) -> Response:
    """Make a data set of videos that are here."""
    store = services.store
    try:
        body = validated(_document(form), DatasetCreate, where="form")
        made = store.datasets.create_from_videos(
            body.name, [entry.to_item() for entry in body.videos], key_id=who.caller.key_id
        )
    except PfaError as error:
        return render(
            request,
            "dataset_new.html",
            who,
            status=status_of(error).value,
            videos=store.videos.list(limit=MOST_VIDEOS),
            formats=FORMATS,
            form=form,
            message=str(error),
        )
    return go_to(f"/console/datasets/{made.id}")


def _document(form: Form) -> dict[str, object]:
    """The form as the body that `POST /datasets` takes."""
    chosen = form.all("video")
    parts = ("label", "group", "split")
    videos = [{"video": video, **{part: form.one(f"{part}-{video}") or None for part in parts}} for video in chosen]
    return {"name": form.one("name"), "videos": videos}


@router.get("/{dataset_id}")
def show_dataset(dataset_id: str, request: Request, services: Services, who: Reader) -> Response:
    """One data set with its items."""
    store = services.store
    dataset = store.datasets.get(dataset_id)
    items = store.datasets.items(dataset.id)
    labels: dict[str, int] = {}
    for item in items:
        if item.label is not None:
            labels[item.label] = labels.get(item.label, 0) + 1
    return render(
        request, "dataset.html", who, dataset=dataset, items=items[:MOST_ITEMS], num_items=len(items), labels=labels
    )


@router.post("/{dataset_id}/delete")
def delete_dataset(dataset_id: str, services: Services, _who: Worker, _form: Posted) -> Response:
    """Delete a data set; its videos stay."""
    services.store.datasets.delete(dataset_id)
    return go_to("/console/datasets")
