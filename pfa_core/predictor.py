"""What every predictor has in common: a network in evaluation mode, and inputs ready for it.

Axes: N rows, S side of a crop in px.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.devices import device_of
from pfa_core.errors import ConfigInvalid, ImageUnreadable
from pfa_core.executors import Executor, ExecutorName, Numerics, as_rows, executor_of, openvino_missing, piece_of
from pfa_core.manifest import ModelConfig
from pfa_core.models import load_model
from pfa_core.nets.preprocess import normalise_rgb

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


class Predictor(ABC):
    """A network in evaluation mode, on its device, in its number format, run by an executor."""

    def __init__(
        self,
        module: nn.Module,
        config: ModelConfig,
        *,
        numerics: Numerics = "float32",
        device: str = "auto",
        executor: ExecutorName = "eager",
    ) -> None:
        """Take `module` over: it is moved and converted in place.

        Raises:
            ConfigInvalid: the executor cannot run the network here; never for `auto` and `eager`.
        """
        self.config = config
        self.device = device_of(device)
        self.fallback = openvino_missing(self.device) if executor == "auto" and self.device.type == "cpu" else None
        """Where `auto` had to leave OpenVINO for torch: why."""
        chosen = executor_of(executor, device=self.device, numerics=numerics)
        try:
            self._build(chosen.take(module), chosen)
        except ConfigInvalid as error:
            if executor != "auto":
                raise
            self.fallback = str(error)
            chosen = executor_of("eager", device=self.device, numerics=numerics)
            self._build(chosen.take(module), chosen)
        self.executor, self.dtype = chosen.name, chosen.dtype

    @abstractmethod
    def _build(self, module: nn.Module, executor: Executor) -> None:
        """Make what runs the network; `module` itself need not be kept."""

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        numerics: Numerics = "float32",
        device: str = "auto",
        verify: bool = True,
        executor: ExecutorName = "eager",
    ) -> Self:
        """Read a model folder.

        Raises:
            ModelDamaged: see `models.load_model`.
            ModelUnsuitable: a model of another kind.
            ConfigInvalid: the executor cannot run the network here.
        """
        module, manifest = load_model(Path(folder), verify=verify)
        return cls(module, manifest.config, numerics=numerics, device=device, executor=executor)


class CropPredictor(Predictor):
    """A network that sees crops, one a row."""

    def _build(self, module: nn.Module, executor: Executor) -> None:
        self._run = executor.run_of(piece_of(module, side_px=self.config.net.crop_px))

    def forward(self, rows_u8: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> (N, ...) float32 on the CPU. Safe to call from any thread."""
        with torch.inference_mode():
            return as_rows(self._run(normalise_rgb(rows_u8.to(self.device)).to(self.dtype)))

    def warm_up(self) -> None:
        """Let the first forward passes, which are slow, be over: of one row, and of two, which stand for all others."""
        side = self.config.net.crop_px
        for num_rows in (1, 2):
            self.forward(torch.zeros((num_rows, 3, side, side), dtype=torch.uint8))


def checked_image(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageUnreadable(f"An image is an (H, W, 3) uint8 array, RGB; got {image.shape} {image.dtype}.")
    return image


def channels_first(crops: NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) -> (N, 3, S, S), channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2)
