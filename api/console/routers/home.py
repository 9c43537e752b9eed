"""The first page: what there is, what is going on, and what to do next."""

from fastapi import APIRouter, Request, Response

from api.console.pages import PageRoute, render
from api.console.visitor import Reader
from api.deps import Services

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def show_home(request: Request, services: Services, who: Reader) -> Response:
    """The overview."""
    store = services.store
    models = store.models.list()
    return render(
        request,
        "home.html",
        who,
        videos=store.videos.list(limit=1).items,
        datasets=store.datasets.list(limit=1).items,
        models=models,
        has_predictor=any(model.kind in ("pose", "action") for model in models),
        jobs=store.jobs.list(limit=5).items,
        workers=store.workers.list(),
    )
