"""Networks as ONNX files that stand by themselves: bytes in, answers out, with `facts` about both inside.

The graph is written layer by layer, so that nothing is traced and every layer is one operation that runtimes know.

Axes: N rows, M blocks of flow.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from pfa_core.errors import ModelUnsuitable
from pfa_core.facts import facts_of
from pfa_core.manifest import ModelConfig
from pfa_core.models import appearance_of, library_version
from pfa_core.nets.action import TwoStreamNet
from pfa_core.nets.layers import Convolution, Dense, Layer, LocalResponse, Pool, layers_of
from pfa_core.nets.preprocess import MEAN, STD

OPSET = 17
"""Of 2022: every runtime of today has it."""
IR_VERSION = 8
METADATA_KEY = "pfa"
"""Of the file's metadata: JSON of `facts.facts_of` and the model's configuration."""
_MAX_BYTES = 2**31 - 2**20
"""protobuf's limit, and room for all that is not a weight."""


class _Stream(NamedTuple):
    """One input, its network and its output."""

    source: str
    answer: str
    net: nn.Module


def onnx_model(module: nn.Module, config: ModelConfig) -> onnx.ModelProto:
    """The network with uint8 RGB `images` (int8 flow `blocks`) as its inputs; see `facts_of` for what comes out.

    Of a triplet or appearance model it is the Appearance ConvNet, to fc6.

    Raises:
        ModelUnsuitable: more weights than an ONNX file may hold.
        ModelDamaged: a setting of the model is not what it must be.
    """
    facts = facts_of(config, normalised_inside=True)
    graph = _Graph()
    for stream in _streams(module, config):
        about = facts["inputs"][stream.source]
        kind = TensorProto.UINT8 if stream.source == "images" else TensorProto.INT8
        scale, shift = (1 / 255 / STD, MEAN / STD) if stream.source == "images" else (about["scale"], 0.0)
        graph.begin(stream.source, kind, about["shape"], scale=scale, shift=shift)
        for layer in layers_of(stream.net):
            graph.add(layer)
        graph.end(stream.answer, facts["outputs"][stream.answer]["shape"])
    made = helper.make_model(
        graph.made(config.kind),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="pfa",
        producer_version=library_version(),
    )
    helper.set_model_props(made, {METADATA_KEY: json.dumps({**facts, "config": config.to_json()})})
    return made


def save_onnx(module: nn.Module, config: ModelConfig, path: Path) -> None:
    """Write `onnx_model` to a file. Raises: as it, and OSError."""
    path.write_bytes(onnx_model(module, config).SerializeToString())


def _streams(module: nn.Module, config: ModelConfig) -> list[_Stream]:
    if isinstance(module, TwoStreamNet):
        appearance = _Stream("images", "scores", module.appearance)
        return [appearance, _Stream("blocks", "motion_scores", module.motion)]
    if config.kind == "pose":
        return [_Stream("images", "heatmaps", module)]
    if config.kind == "action":
        return [_Stream("images", "scores", module)]
    return [_Stream("images", "fc6", appearance_of(module))]


class _Graph:
    """A graph as it grows, a layer at a time."""

    def __init__(self) -> None:
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._num_bytes = 0
        self._last = ""

    def begin(self, name: str, kind: int, shape: Sequence[str | int], *, scale: float, shift: float) -> None:
        """A new input: bytes, of which x * scale - shift goes on."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        self._last = name
        self._node("Cast", to=TensorProto.FLOAT)
        self._node("Mul", self._weight(np.array(scale, np.float32)))
        self._node("Sub", self._weight(np.array(shift, np.float32)))

    def add(self, layer: Layer) -> None:
        match layer:
            case Convolution():
                weights = [self._weight(layer.weight), self._weight(layer.bias)]
                pads, steps = [layer.padding] * 4, [layer.stride] * 2
                self._node("ConvTranspose" if layer.transposed else "Conv", *weights, pads=pads, strides=steps)
            case LocalResponse():
                self._node("LRN", size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=layer.k)
            case Pool():
                self._node("MaxPool", kernel_shape=[layer.size] * 2, strides=[layer.stride] * 2, ceil_mode=1)
            case Dense():
                self._node("Flatten", axis=1)
                self._node("Gemm", self._weight(layer.weight), self._weight(layer.bias), transB=1)
        if isinstance(layer, Convolution | Dense) and layer.relu:
            self._node("Relu")

    def end(self, name: str, shape: Sequence[str | int]) -> None:
        """What the last layer gives is an output."""
        self._nodes[-1].output[0] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def made(self, name: str) -> onnx.GraphProto:
        return helper.make_graph(self._nodes, name, self._inputs, self._outputs, initializer=self._weights)

    def _node(self, kind: str, *weights: str, **attributes: int | float | list[int]) -> None:
        result = f"{kind.lower()}_{len(self._nodes)}"
        node = helper.make_node(kind, [self._last, *weights], [result], name=result)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        self._last = result

    def _weight(self, values: NDArray[np.float32]) -> str:
        self._num_bytes += values.nbytes
        if self._num_bytes > _MAX_BYTES:
            raise ModelUnsuitable("The model has more weights than an ONNX file may hold (2 GB); export safetensors.")
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name
