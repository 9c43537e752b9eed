"""VGG-M weights of other projects, as the start that the paper calls ImageNet. Source: Chatfield et al. 2014, "CNN-M".

Other projects present images in their own way: other channels first, another mean, another scale. conv1 is linear and
has no padding, so that its weights can take that over exactly, and the network sees what `nets.preprocess` gives.

Axes: C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pfa_core.config.net import NetConfig
from pfa_core.errors import ConfigInvalid, ModelUnreadable
from pfa_core.manifest import ModelConfig
from pfa_core.nets.preprocess import MEAN, STD
from pfa_core.nets.vggm import FC6_UNITS, VggM, pool5_side

OURS = (*(f"layers.conv{number}.conv" for number in range(1, 6)), "fc6")
NAMES: Mapping[str, tuple[str, ...]] = {
    "this library": OURS,
    "Caffe and MatConvNet": ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6"),
    "torch's Sequential": ("features.0", "features.4", "features.8", "features.10", "features.12", "classif.0"),
    "torch's Sequential, classifier": (
        "features.0", "features.4", "features.8", "features.10", "features.12", "classifier.0",
    ),
}  # fmt: skip
"""What conv1 to conv5 and fc6 are called where; each has `.weight` and `.bias`. Everything else is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VggmInput:
    """How the other project presents an image: (x - mean) / std of pixels x in 0..255, channel by channel."""

    channels: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (MEAN * 255,) * 3
    """Of each channel, in the project's order."""
    std: tuple[float, float, float] = (STD * 255,) * 3

    def __post_init__(self) -> None:
        if self.channels not in ("RGB", "BGR"):
            raise ConfigInvalid(f"channels must be RGB or BGR, got {self.channels!r}")
        if not all(0 <= value <= 255 for value in self.mean) or not all(0 < value <= 255 for value in self.std):
            raise ConfigInvalid("mean must lie in 0..255 and std in (0, 255], of pixels in 0..255")


def adopt_vggm(tensors: Mapping[str, Tensor], given: VggmInput) -> tuple[nn.Module, ModelConfig]:
    """An appearance model of another project's VGG-M.

    Args:
        tensors: its state, float32.
        given: what its conv1 takes in.

    Raises:
        ModelUnreadable: no name of `NAMES` fits, or the shapes are not those of a VGG-M with local response
            normalisation, of any width and crop size that `NetConfig` knows.
    """
    names = next((names for names in NAMES.values() if all(f"{name}.weight" in tensors for name in names)), None)
    if names is None:
        known = "; ".join(f"{whose}: {', '.join(names)}" for whose, names in NAMES.items())
        raise ModelUnreadable(
            f"The file has no configuration, and its tensors are named like no VGG-M that is known ({known}, each with"
            " .weight and .bias). Send the model's config.json along, or rename them."
        )
    state = {}
    for ours, theirs in zip(OURS, names, strict=True):
        for part in ("weight", "bias"):
            if f"{theirs}.{part}" not in tensors:
                raise ModelUnreadable(f"The VGG-M has no {theirs}.{part}.")
            state[f"{ours}.{part}"] = tensors[f"{theirs}.{part}"]
    net = _net_of(state)
    with torch.device("meta"):
        module = VggM(net)
    for name, wanted in module.state_dict().items():
        if state[name].shape != wanted.shape:
            found = list(state[name].shape)
            raise ModelUnreadable(f"{name} has the shape {found}; a VGG-M of this width has {list(wanted.shape)}.")
    state |= dict(zip((f"{OURS[0]}.weight", f"{OURS[0]}.bias"), _first(state, given), strict=True))
    module.load_state_dict(state, assign=True)
    return module, ModelConfig(kind="appearance", net=net)


def _net_of(state: Mapping[str, Tensor]) -> NetConfig:
    """The width and the crop that conv1 and fc6 belong to."""
    first, fc6 = state[f"{OURS[0]}.weight"], state["fc6.weight"]
    last = state[f"{OURS[4]}.weight"]
    if first.ndim != 4 or fc6.ndim != 2 or last.ndim != 4 or 0 in (*first.shape, *last.shape):
        raise ModelUnreadable("conv1, conv5 and fc6 do not have the shapes of a VGG-M's.")
    cells = fc6.shape[1] / last.shape[0]
    crop_px = next((side for side in (224, *range(64, 513)) if pool5_side(side) ** 2 == cells), None)
    if crop_px is None:
        raise ModelUnreadable(f"fc6 takes {fc6.shape[1]} numbers, which no crop of 64 to 512 px gives.")
    try:
        return NetConfig(width=fc6.shape[0] / FC6_UNITS, crop_px=crop_px)  # which is rounded least
    except ConfigInvalid as error:
        raise ModelUnreadable(f"fc6 has {fc6.shape[0]} units: {error}") from error


def _first(state: Mapping[str, Tensor], given: VggmInput) -> tuple[Tensor, Tensor]:
    """conv1 for images as `nets.preprocess` gives them.

    With ours z = (x / 255 - MEAN) / STD, theirs is (x - mean) / std = z gain + shift.
    """
    weight, bias = state[f"{OURS[0]}.weight"].double(), state[f"{OURS[0]}.bias"].double()
    mean = torch.tensor(given.mean, dtype=torch.float64).view(1, 3, 1, 1)
    std = torch.tensor(given.std, dtype=torch.float64).view(1, 3, 1, 1)
    gain, shift = 255 * STD / std, (255 * MEAN - mean) / std
    moved = bias + (weight * shift).sum(dim=(1, 2, 3))
    scaled = weight * gain
    return (scaled.flip(1) if given.channels == "BGR" else scaled).float().contiguous(), moved.float()
