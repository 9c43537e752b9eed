"""Networks as OpenVINO runs them on a processor.

The graph is built layer by layer with OpenVINO's own operations, not by its converter: that takes a second, needs no
tracing, copies no weights but those that the processor wants in another order, and never starts the converter's
telemetry, which reports unless it is told not to.

Axes: B batch, C channels, H rows, W columns.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from torch import Tensor

from pfa_core.errors import ConfigInvalid
from pfa_core.nets.action import Run
from pfa_core.nets.layers import Convolution, Dense, Floats, Layer, LocalResponse, Pool

Node = Any
"""OpenVINO's nodes carry no usable types."""


def compiled(layers: Sequence[Layer], *, side_px: int | None, half: bool) -> Run:
    """A function of (B, C, H, W) float32, any B, that runs the layers. It may be called from any thread.

    Args:
        layers: of a network, or of a part of it; the first is a convolution or sees what one gives.
        side_px: H and W; None: any.
        half: compute in bfloat16; what goes in and comes out is float32 all the same.

    Raises:
        ConfigInvalid: OpenVINO refuses the network.
    """
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # processes that serve side by side would all pin themselves to the same cores
    }
    try:
        request = ov.Core().compile_model(graph_of(layers, side_px=side_px), "CPU", options).create_infer_request()
    except RuntimeError as error:
        raise ConfigInvalid(f"OpenVINO does not take the network: {error}") from error
    return _Request(request)


class _Request:
    """One forward pass at a time: passes side by side would share the same threads anyway."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401  # as Node
        self._request = request
        self._alone = threading.Lock()

    def __call__(self, maps: Tensor) -> Tensor:
        array = maps.contiguous().numpy()
        with self._alone:
            answer = self._request.infer([array], share_inputs=True, share_outputs=False)
            return torch.from_numpy(answer[0])


def graph_of(layers: Sequence[Layer], *, side_px: int | None) -> ov.Model:
    """The layers as an OpenVINO model of float32 whose batch has any size."""
    side = -1 if side_px is None else side_px
    maps = ops.parameter([-1, _num_channels(layers), side, side], np.float32, name="maps")
    node: Node = maps
    for layer in layers:
        node = _added(node, layer)
    return ov.Model([ops.result(node)], [maps], "network")


def _num_channels(layers: Sequence[Layer]) -> int:
    first = next(layer for layer in layers if isinstance(layer, Convolution))
    return first.weight.shape[1]


def _added(node: Node, layer: Layer) -> Node:
    match layer:
        case Convolution():
            return _convolved(node, layer)
        case LocalResponse():
            channels = ops.constant(np.array([1], np.int64))
            return ops.lrn(node, channels, layer.alpha, layer.beta, layer.k, layer.size)
        case Pool():
            window, steps = [layer.size] * 2, [layer.stride] * 2
            return ops.max_pool(node, steps, [1, 1], [0, 0], [0, 0], window, "ceil").output(0)
        case Dense():
            flat = ops.reshape(node, ops.constant(np.array([0, -1], np.int64)), special_zero=True)
            product = ops.matmul(flat, _constant(layer.weight), transpose_a=False, transpose_b=True)
            return _biased(product, layer.bias[None], relu=layer.relu)


def _convolved(node: Node, layer: Convolution) -> Node:
    steps, pads = [layer.stride] * 2, [layer.padding] * 2
    weight = _constant(layer.weight)
    if layer.transposed:
        maps = ops.convolution_backprop_data(node, weight, steps, pads_begin=pads, pads_end=pads)
    else:
        maps = ops.convolution(node, weight, steps, pads, pads, [1, 1])
    return _biased(maps, layer.bias[None, :, None, None], relu=layer.relu)


def _biased(node: Node, bias: Floats, *, relu: bool) -> Node:
    total = ops.add(node, _constant(bias))
    return ops.relu(total) if relu else total


def _constant(values: Floats) -> Node:
    return ops.constant(np.ascontiguousarray(values), shared_memory=True)
