"""Every kind of model in both normalisations, small: what holds for one must hold for all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from pfa_core.config.net import NetConfig, Norm
from pfa_core.manifest import ModelConfig, ModelKind
from pfa_core.models import build
from pfa_core.seeds import seeded
from pfa_core.skeleton import FLIC

CROP_PX = 64
Kind = ModelKind | Literal["two streams"]


@dataclass(frozen=True)
class Case:
    config: ModelConfig
    answer: Callable[[nn.Module], Tensor]
    """The network's output for one fixed input."""
    shape: tuple[int, ...]

    def new(self, seed: int = 0) -> nn.Module:
        with seeded(seed):
            return build(self.config)


def _images(num: int, channels: int = 3) -> Tensor:
    return torch.randn(num, channels, CROP_PX, CROP_PX, generator=torch.Generator().manual_seed(1))


def _triplet(net: nn.Module) -> Tensor:
    return net(_images(4), _images(4).flip(0), _images(4, 24), torch.tensor([[1, 2], [2, 3], [3, 0], [0, 1]]))


def _frame(net: nn.Module) -> Tensor:
    return net(_images(4))


def _two_streams(net: nn.Module) -> Tensor:
    return torch.cat(net(_images(4), _images(4, 24)))


def _case(kind: Kind, norm: Norm) -> Case:
    net = NetConfig(width=1 / 32, crop_px=CROP_PX, norm=norm)
    if kind == "two streams":
        config = ModelConfig(kind="action", net=net, labels=("bend", "jump", "wave"), two_stream=True)
        return Case(config, _two_streams, (8, 3))
    if kind == "triplet":
        return Case(ModelConfig(kind=kind, net=net), _triplet, (4, 3, 2))
    if kind == "appearance":
        return Case(ModelConfig(kind=kind, net=net), _frame, (4, 128))
    if kind == "pose":
        return Case(ModelConfig(kind=kind, net=net, joints=FLIC), _frame, (4, 9, 12, 12))
    return Case(ModelConfig(kind=kind, net=net, labels=("bend", "jump", "wave")), _frame, (4, 3))


KINDS: tuple[Kind, ...] = ("triplet", "appearance", "pose", "action", "two streams")
NORMS: tuple[Norm, ...] = ("lrn", "batch")
every_model = pytest.mark.parametrize(
    "case", [pytest.param(_case(kind, norm), id=f"{kind}-{norm}") for kind in KINDS for norm in NORMS]
)


def case_of(kind: Kind, norm: Norm = "batch") -> Case:
    """One of them."""
    return _case(kind, norm)
