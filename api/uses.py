"""What a model can be used for: which kind serves which call, and which network can start from which."""

import json
from typing import Literal

from api.errors import RequestInvalid
from pfa_core.config.action import ActionConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.errors import ModelDamaged, ModelUnsuitable
from pfa_core.manifest import ModelConfig
from pfa_store.models import ModelVersion
from pfa_store.store import Store

Use = Literal["pose", "action", "features"]
KINDS_FOR: dict[Use, tuple[str, ...]] = {
    "pose": ("pose",),
    "action": ("action",),
    "features": ("triplet", "appearance", "action"),
}
"""Which kinds of model serve which use: a pose model has no fc6."""


def need_kind(model: ModelVersion, use: Use) -> None:
    """Check that a model can do what it is asked for.

    Raises:
        ModelUnsuitable: it is of another kind.
    """
    if model.kind not in KINDS_FOR[use]:
        raise ModelUnsuitable(
            f"{model.ref} is a {model.kind} model; this call needs one of kind {' or '.join(KINDS_FOR[use])}.",
            kind=model.kind,
        )


def default_model(use: Use, store: Store) -> str:
    """The model of a request that names none: the only one of its kind, or the only one with a `production` alias.

    Raises:
        RequestInvalid: there is no such choice; the message lists what there is.
    """
    fitting = [model for model in store.models.list() if model.kind in KINDS_FOR[use]]
    if len(fitting) == 1:
        return fitting[0].name
    live = [name for name in (model.name for model in fitting) if _has_production(name, store)]
    if len(live) == 1:
        return f"{live[0]}@production"
    names = ", ".join(model.name for model in fitting) or "none yet"
    raise RequestInvalid(f"Name a `model`; there are: {names}.", field="model")


def _has_production(name: str, store: Store) -> bool:
    return any("production" in version.aliases for version in store.models.versions(name))


def config_of(model: ModelVersion, store: Store) -> ModelConfig:
    """What a model's folder says about its network.

    Raises:
        ModelDamaged: it does not read.
    """
    path = store.models.folder(model) / "config.json"
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelDamaged(f"config.json of {model.ref} does not read: {error}") from error
    return ModelConfig.from_json(plain)


def need_same_backbone(source: ModelConfig, target: PoseConfig | ActionConfig, ref: str) -> None:
    """Check that a network can start from another: only what `copy_backbone` can copy.

    conv1-5 do not depend on the crop's size, and batch norm takes LRN's too.

    Raises:
        ModelUnsuitable: it is of another shape.
    """
    for name in ("width", "norm"):
        ours, theirs = getattr(target.net, name), getattr(source.net, name)
        if ours != theirs and (name, ours, theirs) != ("norm", "batch", "lrn"):
            raise ModelUnsuitable(
                f"{ref} has net.{name} {theirs!r} and this job asks for {ours!r}. Choose the preset it was made with,"
                f" or set config.net.{name} to {theirs!r}."
            )
    if isinstance(target, ActionConfig) and target.two_stream and (source.kind == "triplet" or source.two_stream):
        theirs = source.flow_maps // 2
        if theirs != target.motion.gap_frames:
            raise ModelUnsuitable(
                f"{ref} looks at {theirs} frames of flow and this job at {target.motion.gap_frames}: set"
                f" config.motion.gap_frames to {theirs}."
            )
