"""A network as a plain list of layers, for whatever else than torch runs it or stores it.

Batch norm is folded into the weights before it, dropout is left out: this is the network in evaluation mode.

Axes: B batch, C channels, H rows, W columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.errors import ModelUnsuitable
from pfa_core.nets.action import ActionNet, MotionNet
from pfa_core.nets.pose import PoseNet
from pfa_core.nets.vggm import ConvLayers, VggM

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution, and ReLU where `relu`. (B, in, H, W) -> (B, out, H', W')."""

    weight: Floats
    """(out, in, k, k); (in, out, k, k) where it is transposed."""
    bias: Floats
    """(out,)."""
    stride: int
    padding: int
    transposed: bool = False
    relu: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResponse:
    """See `nets.local_response`; `alpha` is divided by `size`."""

    size: int = 5
    alpha: float = 5e-4
    beta: float = 0.75
    k: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Maximum of `size` x `size`; sizes are rounded up."""

    size: int = 3
    stride: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A fully-connected layer over all of a row, and ReLU where `relu`. (B, ...) -> (B, out)."""

    weight: Floats
    """(out, in)."""
    bias: Floats
    """(out,)."""
    relu: bool = True


Layer = Convolution | LocalResponse | Pool | Dense
_Norm = nn.BatchNorm1d | nn.BatchNorm2d


def layers_of(net: nn.Module) -> tuple[Layer, ...]:
    """The layers of a PoseNet, a VggM, an ActionNet or a MotionNet, float32, copied only where they must be.

    Raises:
        ModelUnsuitable: another network.
    """
    match net:
        case PoseNet():
            return (*_convolutions(net.layers), *_pose_head(net))
        case VggM():
            return tuple(_vggm(net))
        case ActionNet() | MotionNet():
            hidden = _dense(net.hidden, net.hidden_norm, relu=True)
            return (*_vggm(net.backbone), hidden, _dense(net.scores, None, relu=False))
    raise ModelUnsuitable(f"A {type(net).__name__} is not a plain list of layers.")


def num_first(layers: tuple[Layer, ...]) -> int:
    """How many layers there are to pool1, inclusive."""
    return 1 + next(place for place, layer in enumerate(layers) if isinstance(layer, Pool))


def _vggm(net: VggM) -> Iterator[Layer]:
    yield from _convolutions(net.layers)
    yield Pool()
    yield _dense(net.fc6, net.fc6_norm, relu=True)


def _convolutions(layers: ConvLayers) -> Iterator[Layer]:
    for place, stage in enumerate(layers.stages):
        yield _convolution(stage.conv, stage.norm, relu=True)
        if stage.local:
            yield LocalResponse()
        if place < 2:
            yield Pool()


def _pose_head(net: PoseNet) -> Iterator[Layer]:
    yield _convolution(net.deconv, net.deconv_norm, relu=True)
    yield _convolution(net.heatmaps, None, relu=False)


def _convolution(conv: nn.Conv2d | nn.ConvTranspose2d, norm: _Norm | None, *, relu: bool) -> Convolution:
    transposed = isinstance(conv, nn.ConvTranspose2d)
    weight, bias = _folded(conv.weight, conv.bias, norm, axis=1 if transposed else 0)
    padding = conv.padding[0]
    assert isinstance(padding, int)
    return Convolution(
        weight=weight, bias=bias, stride=conv.stride[0], padding=padding, transposed=transposed, relu=relu
    )


def _dense(linear: nn.Linear, norm: _Norm | None, *, relu: bool) -> Dense:
    weight, bias = _folded(linear.weight, linear.bias, norm, axis=0)
    return Dense(weight=weight, bias=bias, relu=relu)


def _folded(weight: Tensor, bias: Tensor | None, norm: _Norm | None, *, axis: int) -> tuple[Floats, Floats]:
    """Weights and bias of a layer and the batch norm after it; `axis`: that of the weights' output channels."""
    plain = _array(weight)
    offset = np.zeros(plain.shape[axis], np.float32) if bias is None else _array(bias)
    if norm is None:
        return plain, offset
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + np.float32(norm.eps))
    shape = [-1 if place == axis else 1 for place in range(plain.ndim)]
    return plain * gain.reshape(shape), (offset - _array(norm.running_mean)) * gain + _array(norm.bias)


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
