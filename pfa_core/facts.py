"""What somebody without this library has to know to run an exported network: what goes in, what comes out.

Axes: N rows, M blocks of flow, S side of a crop in px, K joints, C classes, D length of fc6, h cells.
"""

from typing import Any

from pfa_core.config.net import NetConfig
from pfa_core.manifest import ModelConfig
from pfa_core.model_settings import ActionSettings, PoseSettings
from pfa_core.nets.pose import heatmap_side
from pfa_core.nets.preprocess import FLOW_UNIT_PX, MEAN, STD
from pfa_core.nets.vggm import FC6_UNITS

FORMAT = 1

_CROP = (
    "The square around the person box (its longer side, same centre; without a box around the whole image), scaled to"
    " S x S by area averaging where it shrinks and else bilinearly; grey (127) beyond the image."
)


def facts_of(config: ModelConfig, *, normalised_inside: bool) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        normalised_inside: the network takes stored bytes and scales them itself, as exported ONNX files do.

    Raises:
        ModelDamaged: a setting of the model is not what it must be.
    """
    side = config.net.crop_px
    inputs: dict[str, Any] = {
        "images": {
            "shape": ["N", 3, side, side],
            "layout": "NCHW",
            "channels": "RGB",
            "stored_as": "uint8, 0..255",
            "normalise": "(x / 255 - mean) / std",
            "mean": MEAN,
            "std": STD,
            "normalised_inside": normalised_inside,
            "crop": _CROP,
        }
    }
    if config.two_stream:
        inputs["blocks"] = _blocks(config, normalised_inside=normalised_inside)
    return {"facts": FORMAT, "kind": config.kind, "inputs": inputs, "outputs": _outputs(config)}


def _blocks(config: ModelConfig, *, normalised_inside: bool) -> dict[str, Any]:
    """A flow block. Raises: ModelDamaged."""
    motion = ActionSettings.of(config).motion
    assert motion is not None
    bound_px = motion.pack.bound_px
    return {
        "shape": ["M", config.flow_maps, config.net.crop_px, config.net.crop_px],
        "layout": "NCHW: all x-flow maps, then all y-flow maps, in time",
        "stored_as": f"int8, 127 = {bound_px:g} px",
        "normalise": "x * scale",
        "scale": bound_px / 127.0 / FLOW_UNIT_PX,
        "normalised_inside": normalised_inside,
    }


def _outputs(config: ModelConfig) -> dict[str, Any]:
    if config.kind == "pose":
        assert config.joints is not None
        return {"heatmaps": _heatmaps(config, names=config.joints.names)}
    if config.kind == "action":
        scores = {"shape": ["N", len(config.labels)], "labels": list(config.labels), "then": "softmax over the labels"}
        weight = {}
        if config.two_stream:
            motion = ActionSettings.of(config).motion
            assert motion is not None
            weight = {"then": f"mean of softmax, fused (1 - w) images + w blocks with w = {motion.weight:g}"}
        both = {"motion_scores": scores | {"shape": ["M", len(config.labels)]} | weight} if config.two_stream else {}
        return {"scores": scores, **both}
    return {"fc6": {"shape": ["N", _fc6_length(config.net)], "compare": "Euclidean distance"}}


def _heatmaps(config: ModelConfig, *, names: tuple[str, ...]) -> dict[str, Any]:
    settings, cells = PoseSettings.of(config), heatmap_side(config.net.crop_px)
    return {
        "shape": ["N", len(names), cells, cells],
        "joints": list(names),
        "values": "about -1 (background) to +1 (joint)",
        "joint_at": f"centroid (column, row) of the {settings.top_cells} highest cells"
        if not settings.sub_cell
        else "highest cell of the mean over 3 x 3 cells, between cells by a parabola along each axis",
        "score": f"(mean of the {settings.top_cells} highest cells + 1) / 2, clipped to 0..1",
        "visible_from": None if settings.visible_from is None else list(settings.visible_from),
        "cells_to_image": "x = (column + 0.5) * side / h + left and y = (row + 0.5) * side / h + top, for the crop's"
        f" region of side x side image px whose outer corner is (left, top), in an image whose first pixel is centred"
        f" at (0, 0) and begins at -0.5; h = {cells}",
    }


def _fc6_length(net: NetConfig) -> int:
    return net.units(FC6_UNITS)
