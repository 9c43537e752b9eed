"""Enlarged triplets: the same window everywhere, by a known factor, with flow in the new scale."""

import pytest
import torch
from torch import Tensor

from pfa_core.seeds import seeded
from pfa_core.zoom import zoom_in

SIDE = 40


def ramps(count: int) -> Tensor:
    """(B, 3, S, S): x in the first channel, y in the second, 1 in the third, so that a pixel says where it is from."""
    along = torch.arange(SIDE, dtype=torch.float32)
    one = torch.stack([along.expand(SIDE, SIDE), along[:, None].expand(SIDE, SIDE), torch.ones(SIDE, SIDE)])
    return one.repeat(count, 1, 1, 1)


def zoomed(count: int, *, largest: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    places = ramps(count)
    with seeded(seed):
        return zoom_in(places, places.clone(), places.repeat(1, 2, 1, 1), largest=largest)


def step_of(places: Tensor) -> Tensor:
    """(B,) how far apart in the source two neighbouring pixels of the middle are."""
    middle = SIDE // 2
    return places[:, 0, middle, middle + 1] - places[:, 0, middle, middle]


def test_a_factor_of_one_changes_nothing() -> None:
    first, second, block = zoomed(3, largest=1.0)
    for found, wanted in ((first, ramps(3)), (second, ramps(3)), (block, ramps(3).repeat(1, 2, 1, 1))):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_both_frames_and_the_flow_are_cut_at_the_same_place(seed: int) -> None:
    first, second, block = zoomed(8, largest=3.0, seed=seed)
    assert torch.equal(first, second)
    factor = block[:, 2:3]  # what was 1 everywhere is the factor now
    torch.testing.assert_close(block / factor, first.repeat(1, 2, 1, 1), atol=1e-3, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_flow_grows_as_the_picture_does(seed: int) -> None:
    first, _, block = zoomed(8, largest=3.0, seed=seed)
    factor = block[:, 2, 0, 0]
    torch.testing.assert_close(step_of(first) * factor, torch.ones(8), atol=1e-3, rtol=0)
    assert factor.min() >= 1
    assert factor.max() <= 3
    assert len({round(float(value), 4) for value in factor}) == 8


@pytest.mark.parametrize("seed", range(5))
def test_only_what_was_in_the_crop_is_seen_undistorted(seed: int) -> None:
    first, _, _ = zoomed(16, largest=4.0, seed=seed)
    across, down = first[:, 0], first[:, 1]
    assert across.min() >= 0
    assert across.max() <= SIDE - 1
    inner = across[:, :, 2:-2]  # at the very edge the last half pixel is repeated
    steps = inner[:, :, 1:] - inner[:, :, :-1]
    torch.testing.assert_close(steps, step_of(first)[:, None, None].expand_as(steps), atol=1e-3, rtol=0)
    torch.testing.assert_close((down[:, 21, 20] - down[:, 20, 20]), step_of(first), atol=1e-3, rtol=0)


def test_windows_reach_every_side() -> None:
    first, _, _ = zoomed(200, largest=2.0)
    for corner in (first[:, 0, :, 0].mean(dim=1), first[:, 1, 0].mean(dim=1)):
        assert corner.min() < 0.05 * SIDE
        assert corner.max() > 0.35 * SIDE  # at a factor of 2 a window may begin at the middle
