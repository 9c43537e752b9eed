"""Sizes are those of Chatfield et al. 2014 with Caffe's pooling, worked out by hand for a 224 px crop."""

import pytest
import torch
from torch import Tensor, nn

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import ConvLayers, VggM, conv5_side, pool5_side

Shapes = dict[str, tuple[int, ...]]


def shapes_of(net: nn.Module, images: Tensor) -> Shapes:
    """Output shape of every named part of the net in one forward pass."""
    shapes: Shapes = {}
    for name, part in net.named_modules():
        part.register_forward_hook(lambda _m, _i, out, name=name: shapes.update({name: tuple(out.shape)}))
    with torch.no_grad():
        net.eval()(images)
    return shapes


@pytest.mark.parametrize("channels", [3, 24])
def test_sizes_of_the_paper_at_224(channels: int) -> None:
    shapes = shapes_of(VggM(NetConfig(), in_channels=channels), torch.zeros(1, channels, 224, 224))
    assert shapes["layers.conv1"] == (1, 96, 109, 109)
    assert shapes["layers.conv2"] == (1, 256, 26, 26)
    assert shapes["layers.conv3"] == shapes["layers.conv4"] == shapes["layers.conv5"] == (1, 512, 13, 13)
    assert shapes["fc6"] == shapes[""] == (1, 4096)


def test_filters_of_the_paper() -> None:
    net = VggM(NetConfig())
    layers = net.layers
    assert layers.conv1.conv.weight.shape == (96, 3, 7, 7)
    assert layers.conv2.conv.weight.shape == (256, 96, 5, 5)
    assert layers.conv3.conv.weight.shape == (512, 256, 3, 3)
    assert layers.conv4.conv.weight.shape == layers.conv5.conv.weight.shape == (512, 512, 3, 3)
    assert net.fc6.weight.shape == (4096, 512 * 6 * 6)


def test_sizes_of_the_pose_crop_at_256() -> None:
    assert shapes_of(ConvLayers(NetConfig()), torch.zeros(1, 3, 256, 256))[""] == (1, 512, 15, 15)


def test_pools_round_up() -> None:
    """The sizes between: 109 -> 54 and 26 -> 13, 13 -> 6."""
    inputs: Shapes = {}
    net = VggM(NetConfig(width=1 / 16))
    for name in ("conv2", "conv3"):
        part = net.layers.get_submodule(name)
        part.register_forward_hook(lambda _m, given, _o, name=name: inputs.update({name: tuple(given[0].shape[2:])}))
    net.fc6.register_forward_hook(lambda _m, given, _o: inputs.update(fc6=tuple(given[0].shape)))
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 224, 224))
    assert inputs == {"conv2": (54, 54), "conv3": (13, 13), "fc6": (1, 32 * 6 * 6)}


@pytest.mark.parametrize("crop_px", [64, 65, 66, 67, 97, 112, 128, 224, 255, 256])
def test_sides_are_those_of_a_forward_pass(crop_px: int) -> None:
    net = VggM(NetConfig(width=1 / 32, crop_px=crop_px))
    images = torch.zeros(1, 3, crop_px, crop_px)
    assert shapes_of(net, images)["layers.conv5"][2:] == (conv5_side(crop_px),) * 2
    assert net.fc6.in_features == net.layers.out_channels * pool5_side(crop_px) ** 2


@pytest.mark.parametrize("norm", ["lrn", "batch"])
def test_signal_neither_fades_nor_explodes_at_the_start(norm: str) -> None:
    """With Caffe's fixed spread of 0.01 a quarter-width net's fc6 is some 1e-4, and nothing is learned."""
    net = VggM(NetConfig(width=0.25, crop_px=112, norm=norm, dropout=0.0))  # type: ignore[arg-type]  # parametrised
    images = torch.randn(8, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    feature = net(images)
    assert 0.1 < feature.std().item() < 10
    assert feature.std(dim=0).mean() > 0.02  # images are told apart
