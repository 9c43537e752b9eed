"""The playground: a page whose scripts ask the API for poses, actions and nearest poses of what is dropped on it."""

from fastapi import APIRouter, Request, Response

from api.console.pages import PageRoute, render
from api.console.visitor import Predictor
from api.deps import Services
from api.uses import KINDS_FOR, Use, config_of
from pfa_core.errors import ModelDamaged
from pfa_store.models import ModelVersion
from pfa_store.store import Store

router = APIRouter(prefix="/console/play", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show_playground(request: Request, services: Services, who: Predictor) -> Response:
    """Three tools."""
    store = services.store
    return render(
        request,
        "play.html",
        who,
        pose_models=[(model, _limbs(model, store)) for model in _of(store, "pose")],
        action_models=_of(store, "action"),
        collections=[found for found in store.collections.list() if found.num_items],
    )


def _of(store: Store, use: Use) -> list[ModelVersion]:
    return [model for model in store.models.list() if model.kind in KINDS_FOR[use]]


def _limbs(model: ModelVersion, store: Store) -> list[tuple[str, str]]:
    """The joints that lines connect."""
    try:
        joints = config_of(model, store).joints
    except ModelDamaged:
        return []
    return [] if joints is None else [(limb.start, limb.end) for limb in joints.limbs]
