"""What runs a trained network: torch or OpenVINO. docs/decisions/0016 has the figures.

`eager` is the reference: every other executor answers within 1e-5 of it in float32, within 1e-2 in bfloat16 (relative
norm).
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from pfa_core.devices import placed
from pfa_core.errors import ConfigInvalid
from pfa_core.nets.action import ActionNet, MotionNet, Places, Run, score_apart, score_shared, shares_first_layer
from pfa_core.nets.layers import Layer, layers_of, num_first
from pfa_core.nets.vggm import pool1_side

Numerics = Literal["float32", "bfloat16"]
"""Number format of weights and activations; bfloat16 answers within 1e-2 of float32 (relative norm)."""

ExecutorName = Literal["auto", "eager", "openvino"]
"""`auto`: OpenVINO on a processor where it is installed and takes the network, else torch as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A network, or a part of one, as torch runs it and as a list of layers."""

    call: Run
    layers: Callable[[], tuple[Layer, ...]]
    side_px: int | None
    """Side of its square input; None: any size."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A stream of an action network whose crops go through it one by one."""

    run: Run

    def score_crops(self, whole: Tensor, *, places: Places, crop_px: int) -> Tensor:
        """As `ActionNet.score_crops`."""
        return score_apart(whole, score=self.run, places=places, crop_px=crop_px)


@dataclass(frozen=True, slots=True)
class Halves:
    """A stream of an action network whose crops share conv1 and pool1."""

    first: Run
    rest: Run

    def score_crops(self, whole: Tensor, *, places: Places, crop_px: int) -> Tensor:
        """As `ActionNet.score_crops`."""
        return score_shared(whole, first=self.first, rest=self.rest, places=places, crop_px=crop_px)


Runs = Whole | Halves


class Executor(Protocol):
    """Takes a network over and runs pieces of it. Runs may be called from any thread, on `device`, in `dtype`."""

    name: ExecutorName
    device: torch.device
    dtype: torch.dtype

    def take(self, module: nn.Module) -> nn.Module:
        """Move and convert the network in place."""
        ...

    def run_of(self, piece: Piece) -> Run: ...


class Eager:
    """torch, layer by layer."""

    def __init__(self, *, device: torch.device, numerics: Numerics) -> None:
        self.name: ExecutorName = "eager"
        self.device = device
        self.dtype = torch.bfloat16 if numerics == "bfloat16" else torch.float32

    def take(self, module: nn.Module) -> nn.Module:
        return placed(module.to(self.dtype).eval(), self.device)

    def run_of(self, piece: Piece) -> Run:
        return piece.call


class OpenVino:
    """OpenVINO on the processor, with as many threads as torch may use when the network is loaded."""

    def __init__(self, *, device: torch.device, numerics: Numerics) -> None:
        """Raises: ConfigInvalid: it is not installed, or the device is not the processor."""
        reason = openvino_missing(device)
        if reason is not None:
            raise ConfigInvalid(f"The executor 'openvino' cannot be used: {reason}. Choose auto or eager.")
        self.name: ExecutorName = "openvino"
        self.device = device
        self.dtype = torch.float32  # of what goes in and comes out
        self._numerics: Numerics = numerics

    def take(self, module: nn.Module) -> nn.Module:
        return module.float().eval()

    def run_of(self, piece: Piece) -> Run:
        try:
            from pfa_core.openvino_graph import compiled
        except ImportError as error:
            raise ConfigInvalid(f"The package openvino is installed, but does not load: {error}") from error
        return compiled(piece.layers(), side_px=piece.side_px, half=self._numerics == "bfloat16")


def openvino_missing(device: torch.device) -> str | None:
    """Why OpenVINO cannot run networks here; None: it can."""
    if device.type != "cpu":
        return f"it is for the processor, and networks run on {device}"
    if importlib.util.find_spec("openvino") is None:
        return "the package openvino is not installed"
    return None


def executor_of(name: ExecutorName, *, device: torch.device, numerics: Numerics) -> Executor:
    """The executor of that name.

    Raises:
        ConfigInvalid: it cannot run here; never for `auto` and `eager`.
    """
    if name == "openvino" or (name == "auto" and openvino_missing(device) is None):
        return OpenVino(device=device, numerics=numerics)
    return Eager(device=device, numerics=numerics)


def piece_of(net: nn.Module, *, side_px: int) -> Piece:
    """A whole network."""
    return Piece(call=net, layers=partial(layers_of, net), side_px=side_px)


def runs_of(net: ActionNet | MotionNet, executor: Executor, *, crop_px: int) -> Runs:
    """A stream, cut after pool1 where crops can share what is before."""
    if not shares_first_layer(crop_px):
        return Whole(executor.run_of(piece_of(net, side_px=crop_px)))

    def first() -> tuple[Layer, ...]:
        layers = layers_of(net)
        return layers[: num_first(layers)]

    def rest() -> tuple[Layer, ...]:
        layers = layers_of(net)
        return layers[num_first(layers) :]

    return Halves(
        first=executor.run_of(Piece(call=net.backbone.layers.first, layers=first, side_px=None)),
        rest=executor.run_of(Piece(call=net.rest, layers=rest, side_px=pool1_side(crop_px))),
    )


def as_rows(answer: Tensor) -> Tensor:
    """What a run gives, as float32 on the processor."""
    return answer.float().cpu()
