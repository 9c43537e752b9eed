import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pfa_core.colour import vary_colours
from pfa_core.seeds import seeded


def pair(seed: int, *, count: int = 3, side: int = 5) -> tuple[Tensor, Tensor]:
    with seeded(seed):
        return torch.randn(count, 3, side, side), torch.randn(count, 3, side, side)


def varied(first: Tensor, second: Tensor, *, strength: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    with seeded(seed):
        changed, also = vary_colours(first, second, strength=strength)
    return changed, also


def test_no_strength_changes_nothing() -> None:
    first, second = pair(0)
    changed, also = varied(first, second, strength=0.0)
    torch.testing.assert_close(changed, first)
    torch.testing.assert_close(also, second)


@given(seed=st.integers(0, 1000), strength=st.floats(0.05, 1))
def test_both_frames_of_a_pair_are_changed_alike(seed: int, strength: float) -> None:
    first, _ = pair(seed)
    changed, also = varied(first, first.clone(), strength=strength, seed=seed)
    assert torch.equal(changed, also)


@given(seed=st.integers(0, 1000), strength=st.floats(0.05, 1))
def test_is_an_affine_map_of_the_colours_the_same_at_every_place(seed: int, strength: float) -> None:
    first, second = pair(seed, count=1)
    changed, _ = varied(first, second, strength=strength, seed=seed)
    pixels = first.permute(0, 2, 3, 1).reshape(-1, 3).double()
    after = changed.permute(0, 2, 3, 1).reshape(-1, 3).double()
    with_one = torch.cat([pixels, torch.ones(len(pixels), 1, dtype=torch.float64)], dim=1)
    found = torch.linalg.lstsq(with_one, after).solution  # (4, 3): the map that explains all 25 pixels
    torch.testing.assert_close(with_one @ found, after, atol=1e-5, rtol=0)


@given(seed=st.integers(0, 1000), strength=st.floats(0.05, 1))
def test_changes_no_more_than_its_strength(seed: int, strength: float) -> None:
    grey = torch.full((4, 3, 2, 2), 2.0)
    changed, _ = varied(grey, grey, strength=strength, seed=seed)
    assert (changed - 2.0).abs().max() <= 3 * strength + 1e-5  # 2 * strength by the factor, strength by the shift


def test_pairs_are_changed_differently() -> None:
    first = torch.ones(6, 3, 2, 2)
    changed, _ = varied(first, first, strength=0.3)
    assert len({round(float(value), 5) for value in changed[:, 0, 0, 0]}) == 6
