"""Pose and action heads: sizes of the paper, gradients everywhere, alignment of the upscaling."""

import pytest
import torch
from torch import nn

from pfa_core.config.net import NetConfig, Norm
from pfa_core.nets.action import ActionNet
from pfa_core.nets.pose import PoseNet, heatmap_side

TINY = NetConfig(width=1 / 16, crop_px=128, norm="batch")


def _images(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("crop_px", "cells"), [(256, 60), (128, 28), (224, 52)])
def test_heatmaps_are_four_times_conv5(crop_px: int, cells: int) -> None:
    net = PoseNet(NetConfig(width=1 / 16, crop_px=crop_px), 9).eval()
    with torch.no_grad():
        assert net(_images(1, crop_px)).shape == (1, 9, cells, cells)
    assert heatmap_side(crop_px) == cells


def test_full_width_has_the_papers_channels() -> None:
    pose, action = PoseNet(NetConfig(crop_px=256), 9), ActionNet(NetConfig(), 101)
    assert (pose.deconv.in_channels, pose.deconv.out_channels) == (512, 256)
    assert (action.hidden.in_features, action.hidden.out_features, action.scores.out_features) == (4096, 2048, 101)


@pytest.mark.parametrize("norm", ["lrn", "batch"])
@pytest.mark.parametrize("kind", ["pose", "action"])
def test_backward_reaches_every_parameter(kind: str, norm: Norm) -> None:
    torch.manual_seed(0)
    config = NetConfig(width=1 / 16, crop_px=128, norm=norm)
    net: nn.Module = PoseNet(config, 4) if kind == "pose" else ActionNet(config, 4)
    net(_images(4, 128)).square().mean().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_upscaling_is_centred() -> None:
    """An impulse in the middle of conv5's maps stays in the middle: the transposed convolution adds no shift."""
    net = PoseNet(TINY, 1)
    nn.init.ones_(net.deconv.weight)
    maps = torch.zeros(1, net.layers.out_channels, 7, 7)
    maps[:, :, 3, 3] = 1.0
    with torch.no_grad():
        out = net.deconv(maps)[0, 0]
    torch.testing.assert_close(out, out.flip(0))
    torch.testing.assert_close(out, out.flip(1))


def test_new_layers_are_the_two_of_last2() -> None:
    net = ActionNet(NetConfig(width=1 / 16, crop_px=112), 5)
    assert net.new_layers() == [net.hidden, net.scores]
