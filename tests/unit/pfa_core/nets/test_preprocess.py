import pytest
import torch

from pfa_core.nets.preprocess import MEAN, STD, normalise_flow, normalise_rgb


def test_rgb_is_scaled_to_the_unit_interval_then_centred() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    found = normalise_rgb(images).flatten()
    assert found.tolist() == pytest.approx([(v - MEAN) / STD for v in (0.0, 0.2, 1.0)], abs=1e-6)


def test_flow_is_in_px() -> None:
    block = torch.tensor([-127, 0, 127], dtype=torch.int8).view(1, 3, 1, 1)
    assert normalise_flow(block, bound_px=20).flatten().tolist() == pytest.approx([-20, 0, 20])


def test_neither_changes_its_input_and_both_give_channels_last() -> None:
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    block = torch.arange(2 * 24 * 4, dtype=torch.int16).view(2, 24, 2, 2).to(torch.int8)
    before = images.clone(), block.clone()
    for found in (normalise_rgb(images), normalise_flow(block, bound_px=5)):
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before[0])
    assert torch.equal(block, before[1])
