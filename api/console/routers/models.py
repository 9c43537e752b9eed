"""Models: their list, and a version with its card, its figures, and where it came from."""

from fastapi import APIRouter, Request, Response

from api.console.cards import card_html
from api.console.lineage import origin_of
from api.console.pages import PageRoute, go_to, render
from api.console.visitor import Admin, Posted, Reader
from api.deps import Services
from api.inference.model_files import closest_pairs_png
from api.routers.models import VersionNumber, card_text
from pfa_store.models import ModelVersion

router = APIRouter(prefix="/console/models", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show_models(request: Request, services: Services, who: Reader) -> Response:
    """All models, each with its versions."""
    models = services.store.models
    return render(request, "models.html", who, models=[models.versions(newest.name) for newest in models.list()])


@router.get("/{name}/{version}")
def show_version(name: str, version: VersionNumber, request: Request, services: Services, who: Reader) -> Response:
    """One version."""
    store = services.store
    model = store.models.resolve(f"{name}@{version}")
    return render(
        request,
        "model.html",
        who,
        model=model,
        versions=store.models.versions(name),
        origin=origin_of(model, store),
        card=card_html(card_text(store, model)),
        figures=_figures(model),
        has_pairs=any(one.model == model.ref and one.num_items > 1 for one in store.collections.list()),
    )


def _figures(model: ModelVersion) -> list[tuple[str, object]]:
    """Its single figures; tables and matrices are in its files."""
    return [(name, value) for name, value in model.metrics.items() if isinstance(value, int | float | str)]


@router.get("/{name}/{version}/filters.png")
def read_filters(name: str, version: VersionNumber, services: Services, _who: Reader) -> Response:
    """The filters of conv1, drawn."""
    model = services.store.models.resolve(f"{name}@{version}")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(services.inference.filters_png(model), media_type="image/png", headers=headers)


@router.get("/{name}/{version}/pairs.png")
def read_pairs(name: str, version: VersionNumber, services: Services, _who: Reader) -> Response:
    """Frames of a collection beside their nearest ones."""
    model = services.store.models.resolve(f"{name}@{version}")
    return Response(closest_pairs_png(services.store, model), media_type="image/png")


@router.post("/{name}/{version}/promote")
def promote(name: str, version: VersionNumber, services: Services, _who: Admin, _form: Posted) -> Response:
    """Let `name@production` mean this version."""
    services.store.models.set_alias(name, "production", version)
    return go_to(f"/console/models/{name}/{version}")
