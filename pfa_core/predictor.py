"""What every predictor has in common: a network in evaluation mode, and inputs ready for it.

Axes: N rows, S side of a crop in px.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.devices import device_of, placed
from pfa_core.errors import ImageUnreadable
from pfa_core.manifest import ModelConfig
from pfa_core.models import load_model
from pfa_core.nets.preprocess import normalise_rgb

Numerics = Literal["float32", "bfloat16"]
"""Number format of weights and activations; bfloat16 answers within 1e-2 of float32 (relative norm)."""

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

P = TypeVar("P")
"""What `finish` needs to know of an input."""


@dataclass(frozen=True, slots=True)
class Prepared(Generic[P]):
    """One input, ready for the network."""

    rows_u8: Tensor
    """(N, 3, S, S) uint8 RGB."""
    place: P
    """Goes to `finish`."""


class Predictor:
    """A network in evaluation mode, on its device, in its number format."""

    def __init__(
        self, module: nn.Module, config: ModelConfig, *, numerics: Numerics = "float32", device: str = "auto"
    ) -> None:
        """Take `module` over: it is moved and converted in place."""
        self.config = config
        self.device = device_of(device)
        self.dtype = torch.bfloat16 if numerics == "bfloat16" else torch.float32
        self.module = placed(module.to(self.dtype).eval(), self.device)

    @classmethod
    def load(
        cls, folder: Path | str, *, numerics: Numerics = "float32", device: str = "auto", verify: bool = True
    ) -> Self:
        """Read a model folder.

        Raises:
            ModelDamaged: see `models.load_model`.
            ModelUnsuitable: a model of another kind.
        """
        module, manifest = load_model(Path(folder), verify=verify)
        return cls(module, manifest.config, numerics=numerics, device=device)


class CropPredictor(Predictor):
    """A network that sees crops, one a row."""

    def forward(self, rows_u8: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> (N, ...) float32 on the CPU. Safe to call from any thread."""
        with torch.inference_mode():
            return self.module(normalise_rgb(rows_u8.to(self.device)).to(self.dtype)).float().cpu()

    def warm_up(self) -> None:
        """Let the first forward pass, which is slow, be over."""
        side = self.config.net.crop_px
        self.forward(torch.zeros((1, 3, side, side), dtype=torch.uint8))


def checked_image(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageUnreadable(f"An image is an (H, W, 3) uint8 array, RGB; got {image.shape} {image.dtype}.")
    return image


def channels_first(crops: NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) -> (N, 3, S, S), channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2)
