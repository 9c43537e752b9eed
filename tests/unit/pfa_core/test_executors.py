"""Every executor answers as torch does, layer by layer, whatever the batch."""

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfa_core.config.net import NetConfig, Norm
from pfa_core.errors import ConfigInvalid, ModelUnsuitable
from pfa_core.executors import Numerics, executor_of, openvino_missing, piece_of
from pfa_core.models import appearance_of
from pfa_core.nets.layers import Convolution, Dense, Layer, LocalResponse, Pool, layers_of
from pfa_core.predict import ActionPredictor, FeatureExtractor, PosePredictor
from tests.unit.pfa_core.every_model import CROP_PX, Kind, case_of
from tests.unit.pfa_core.test_predict import action_config, action_net, image, two_stream_config, two_stream_net

CPU = torch.device("cpu")
NORMS: tuple[Norm, ...] = ("lrn", "batch")


def trained(kind: Kind, norm: Norm) -> nn.Module:
    """A network whose norms have statistics of their own, as after training, and whose maps need no symmetry."""
    module = case_of(kind, norm).new()
    noise = torch.Generator().manual_seed(2)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0, 0.2, generator=noise)
            part.running_var.uniform_(0.5, 2, generator=noise)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=noise)
            nn.init.normal_(part.bias, 0, 0.2, generator=noise)
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and part.bias is not None:
            nn.init.normal_(part.bias, 0, 0.2, generator=noise)
    return module.eval()


def images(num: int, seed: int = 0) -> Tensor:
    return torch.randn(num, 3, CROP_PX, CROP_PX, generator=torch.Generator().manual_seed(seed))


def literal(layers: Sequence[Layer], maps: Tensor) -> Tensor:
    """The layers by torch's own functions."""
    for layer in layers:
        match layer:
            case Convolution():
                weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
                op = nn.functional.conv_transpose2d if layer.transposed else nn.functional.conv2d
                maps = op(maps, weight, bias, stride=layer.stride, padding=layer.padding)
                maps = maps.relu() if layer.relu else maps
            case LocalResponse():
                maps = nn.functional.local_response_norm(maps, layer.size, layer.alpha, layer.beta, layer.k)
            case Pool():
                maps = nn.functional.max_pool2d(maps, layer.size, layer.stride, ceil_mode=True)
            case Dense():
                maps = maps.flatten(1) @ torch.from_numpy(layer.weight).T + torch.from_numpy(layer.bias)
                maps = maps.relu() if layer.relu else maps
    return maps


def error(found: Tensor, exact: Tensor) -> float:
    """Relative norm of the difference."""
    assert found.shape == exact.shape
    assert float(exact.norm()) > 0
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["pose", "appearance", "action"])
def test_layers_are_the_network(kind: Kind, norm: Norm) -> None:
    net = trained(kind, norm)
    with torch.no_grad():
        assert error(literal(layers_of(net), images(2)), net(images(2))) < 1e-5


def test_a_network_with_two_inputs_is_no_list_of_layers() -> None:
    with pytest.raises(ModelUnsuitable):
        layers_of(case_of("triplet").new())


@pytest.mark.parametrize(("numerics", "within"), [("float32", 1e-5), ("bfloat16", 1e-2)])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["pose", "appearance"])
def test_openvino_answers_as_torch_at_every_batch_size(
    kind: Kind, norm: Norm, numerics: Numerics, within: float
) -> None:
    net = trained(kind, norm)
    executor = executor_of("openvino", device=CPU, numerics=numerics)
    run = executor.run_of(piece_of(executor.take(net), side_px=CROP_PX))
    with torch.no_grad():
        exact = net(images(5))
    for first, last in ((0, 1), (0, 5), (1, 3), (4, 5)):  # sizes grow, shrink and return
        found = run(images(5)[first:last])
        assert found.dtype == torch.float32
        assert error(found, exact[first:last]) < within


def test_an_answer_is_not_overwritten_by_the_next() -> None:
    executor = executor_of("openvino", device=CPU, numerics="float32")
    run = executor.run_of(piece_of(executor.take(trained("pose", "lrn")), side_px=CROP_PX))
    before = run(images(1))
    kept = before.clone()
    run(images(1, seed=1))
    assert torch.equal(before, kept)


@pytest.mark.parametrize("numerics", ["float32", "bfloat16"])
@pytest.mark.parametrize("crop_px", [64, 65])
def test_openvino_looks_at_actions_as_torch_does(crop_px: int, numerics: Numerics) -> None:
    """At 65 px crops share no first layer, at 64 they do; frames of other sizes come through one network."""
    net = NetConfig(width=1 / 16, crop_px=crop_px)
    eager = ActionPredictor(action_net(net), action_config(net), device="cpu")
    fast = ActionPredictor(action_net(net), action_config(net), device="cpu", executor="openvino", numerics=numerics)
    assert fast.executor == "openvino"
    for size in ((72, 96), (72, 100), (90, 72)):
        rows = torch.from_numpy(np.stack([image(0, size), image(1, size)])).permute(0, 3, 1, 2)
        assert error(fast.look(rows), eager.look(rows)) < (1e-5 if numerics == "float32" else 1e-2)


def test_openvino_looks_at_both_streams() -> None:
    eager = ActionPredictor(two_stream_net(), two_stream_config(), device="cpu")
    fast = ActionPredictor(two_stream_net(), two_stream_config(), device="cpu", executor="auto")
    assert fast.executor == "openvino"
    assert eager.settings.motion is not None
    maps = 2 * eager.settings.motion.gap_frames
    blocks = np.random.default_rng(0).integers(-127, 128, (2, maps, 72, 96), dtype=np.int8)
    rows = torch.from_numpy(blocks)
    assert error(fast.look_at_motion(rows), eager.look_at_motion(rows)) < 1e-5


def test_predictors_answer_alike() -> None:
    """From pixels to fc6, through what a server calls."""
    net = trained("appearance", "lrn")
    config = case_of("appearance", "lrn").config
    eager = FeatureExtractor(net, config, device="cpu")
    exact = [eager(image(seed)) for seed in range(3)]
    fast = FeatureExtractor(appearance_of(net), config, device="cpu", executor="openvino")
    assert (fast.executor, fast.fallback) == ("openvino", None)
    fast.warm_up()
    rows = torch.cat([fast.prepare(image(seed)).rows_u8 for seed in range(3)])
    assert error(fast.forward(rows), torch.from_numpy(np.stack(exact))) < 1e-5


def test_an_executor_that_cannot_run_here_says_why() -> None:
    gpu = torch.device("cuda")
    assert openvino_missing(gpu) is not None
    with pytest.raises(ConfigInvalid, match="eager"):
        executor_of("openvino", device=gpu, numerics="float32")
    assert executor_of("auto", device=gpu, numerics="float32").name == "eager"


WITHOUT = """
import sys

sys.modules["openvino"] = None  # what Python takes for a package that is not there
from tests.unit.pfa_core.test_executors import case_of, image
from pfa_core.predict import PosePredictor

case = case_of("pose", "lrn")
predictor = PosePredictor(case.new(), case.config, device="cpu", executor="auto")
predictor(image())
print(predictor.executor, predictor.fallback)
"""


def test_torch_runs_where_openvino_is_not_installed() -> None:
    """In a process of its own, in which the package cannot be found."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "eager the package openvino is not installed"


def test_a_network_that_openvino_refuses_is_run_by_torch() -> None:
    case = case_of("pose", "lrn")
    net = case.new()
    net.get_submodule("heatmaps").register_parameter(
        "weight", nn.Parameter(torch.zeros(9, 3, 1, 1))
    )  # 3 channels, not 8
    with pytest.raises(ConfigInvalid, match="OpenVINO"):
        PosePredictor(net, case.config, device="cpu", executor="openvino")
    predictor = PosePredictor(net, case.config, device="cpu", executor="auto")
    assert predictor.executor == "eager"
    assert predictor.fallback is not None
