"""What models take and give as tensors, and the way through the batcher.

Axes: N rows, S side of a crop in px, K joints, C labels, D length of a feature.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from torch import Tensor

from api.errors import RequestInvalid
from api.inference.outcomes import Asked
from api.inference.tensors import Batch
from api.schemas.inference_protocol import Datatype, TensorMeaning
from api.uses import KINDS_FOR, Use, config_of
from pfa_core.crops import box_crop
from pfa_core.heatmaps import decode
from pfa_core.images import read_image
from pfa_core.manifest import ModelConfig
from pfa_core.predict import ActionPredictor, FeatureExtractor, PosePredictor
from pfa_core.predictor import channels_first
from pfa_store.models import ModelVersion
from pfa_store.settings import Settings
from pfa_store.store import Store

Predictor = PosePredictor | ActionPredictor | FeatureExtractor
Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[Asked, Tensor], Coroutine[Any, Any, tuple[Predictor, Tensor]]]
"""`Inference.rows`."""

OUTPUTS: Mapping[Use, tuple[str, ...]] = {
    "pose": ("heatmaps", "keypoints", "scores"),
    "action": ("probabilities",),
    "features": ("features",),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """The tensors of a model."""

    crop_px: int
    inputs: list[TensorMeaning]
    outputs: list[TensorMeaning]
    uses: list[Use]


def signature(model: ModelVersion, store: Store) -> Signature:
    """What a model takes and gives. Raises: ModelDamaged."""
    config = config_of(model, store)
    side = config.net.crop_px
    uses = [use for use, kinds in KINDS_FOR.items() if model.kind in kinds]
    outputs = [
        TensorMeaning(name=name, datatype=_FP32, shape=[-1, *_shape(name, config)])
        for use in uses
        for name in OUTPUTS[use]
    ]
    inputs = [
        TensorMeaning(name="crops", datatype="UINT8", shape=[-1, side, side, 3]),
        TensorMeaning(name="images", datatype="BYTES", shape=[-1]),
    ]
    return Signature(crop_px=side, inputs=inputs, outputs=outputs, uses=uses)


_FP32: Datatype = "FP32"


def _shape(name: str, config: ModelConfig) -> list[int]:
    """Of one row; -1: known once the model is loaded."""
    num_joints = 0 if config.joints is None else len(config.joints)
    return {
        "heatmaps": [num_joints, -1, -1],
        "keypoints": [num_joints, 2],
        "scores": [num_joints],
        "probabilities": [len(config.labels)],
        "features": [-1],
    }[name]


def wanted_of(known: Signature, names: Sequence[str] | None) -> list[str]:
    """The outputs to give. Raises: RequestInvalid: one is not known."""
    offered = [output.name for output in known.outputs]
    for name in names or ():
        if name not in offered:
            raise RequestInvalid(f"There is no output {name!r}; there are: {', '.join(offered)}.", field="outputs")
    return list(dict.fromkeys(names)) if names else offered


async def infer(
    run: Run, ref: str, known: Signature, *, batch: Batch, wanted: Sequence[str], settings: Settings
) -> Outputs:
    """The wanted outputs for a batch, by name; images are scaled and cut as `/predict/*` does without a box.

    Raises:
        InputError: an image that cannot be used.
        ModelNotFound, ModelDamaged, QueueFull: as `/predict/*`.
    """
    rows = await run_in_threadpool(_rows_of, batch, known.crop_px, settings)
    found: Outputs = {}
    for use in known.uses:
        if set(OUTPUTS[use]) & set(wanted):
            predictor, raw = await run(Asked(use, ref), rows)
            found |= await run_in_threadpool(_finished, predictor, raw)
    return {name: found[name] for name in wanted}


def _rows_of(batch: Batch, crop_px: int, settings: Settings) -> Tensor:
    """(N, 3, S, S) uint8."""
    if not isinstance(batch, list):
        return channels_first(batch.copy())
    cut = []
    for encoded in batch:
        image = read_image(encoded, max_pixels=settings.max_image_pixels, max_bytes=settings.max_image_bytes)
        crop = box_crop(None, size=(image.shape[0], image.shape[1]), crop_px=crop_px)
        cut.append(crop.cut(image))
    return channels_first(np.stack(cut))


def _finished(predictor: Predictor, raw: Tensor) -> Outputs:
    if isinstance(predictor, FeatureExtractor):
        return {"features": raw.numpy()}
    if isinstance(predictor, ActionPredictor):
        return {"probabilities": raw.softmax(dim=-1).mean(dim=1).numpy()}
    settings = predictor.settings
    keypoints_px, scores = decode(
        raw, crop_px=predictor.config.net.crop_px, top_cells=settings.top_cells, sub_cell=settings.sub_cell
    )
    return {"heatmaps": raw.numpy(), "keypoints": keypoints_px.numpy(), "scores": scores.numpy()}
