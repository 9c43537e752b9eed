"""The losses of temporal coherence against their source's formula, one tuple at a time."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pfa_core.coherence import distance
from pfa_core.config import steady
from pfa_core.config.steady import SteadyConfig
from pfa_core.pretrain_steady import coherence_loss

CONFIG = replace(steady.small(), slow_margin=2.5, steady_margin=4.0, slow_weight=0.7, steady_weight=1.9)


def tuples_of(seed: int, *, num_tuples: int = 3, units: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, num_tuples, units, generator=generator, dtype=torch.float64)


def minus(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def literal_term(a: list[float], b: list[float], *, together: bool, margin: float) -> float:
    """D(a, b, p) = p d(a, b) + (1 - p) max(margin - d(a, b), 0)."""
    d = math.sqrt(sum(x * x for x in minus(a, b)))
    return d if together else max(margin - d, 0.0)


def literal_loss(tuples: Tensor, config: SteadyConfig) -> float:
    """lambda' R1 + lambda R2, each a mean over the pairs and triples of frames of every tuple."""
    first, second = [], []
    for z in tuples.transpose(0, 1).tolist():
        for j, k, together in ((0, 1, True), (1, 2, True), (0, 3, False), (1, 3, False)):
            first.append(literal_term(z[j], z[k], together=together, margin=config.slow_margin))
        for m, n, together in ((1, 2, True), (1, 3, False)):
            change, next_change = minus(z[0], z[m]), minus(z[m], z[n])
            second.append(literal_term(change, next_change, together=together, margin=config.steady_margin))
    return config.slow_weight * sum(first) / len(first) + config.steady_weight * sum(second) / len(second)


@given(seed=st.integers(0, 99), num_tuples=st.integers(1, 5))
def test_the_loss_is_the_formulas(seed: int, num_tuples: int) -> None:
    tuples = tuples_of(seed, num_tuples=num_tuples)
    loss, orders = coherence_loss(tuples, config=CONFIG)
    assert loss.item() == pytest.approx(literal_loss(tuples, CONFIG), rel=1e-5)
    assert loss.item() == pytest.approx(0.7 * orders["slow"].item() + 1.9 * orders["steady"].item(), rel=1e-5)
    slow_alone, _ = coherence_loss(tuples, config=replace(CONFIG, steady_weight=0.0))
    assert slow_alone.item() == pytest.approx(literal_loss(tuples, replace(CONFIG, steady_weight=0.0)), rel=1e-5)


def test_the_gradient_is_the_formulas() -> None:
    tuples = tuples_of(5)
    variable = tuples.clone().requires_grad_(True)
    coherence_loss(variable, config=CONFIG)[0].backward()
    assert variable.grad is not None
    step = 1e-5
    for place in range(tuples.numel()):
        ahead, behind = tuples.clone(), tuples.clone()
        ahead.view(-1)[place] += step
        behind.view(-1)[place] -= step
        slope = (literal_loss(ahead, CONFIG) - literal_loss(behind, CONFIG)) / (2 * step)
        assert variable.grad.view(-1)[place].item() == pytest.approx(slope, abs=1e-5)


def test_frames_that_are_equal_have_a_gradient() -> None:
    """A still place gives the same feature twice, where the root has no derivative."""
    same = torch.ones(2, 3, requires_grad=True)
    distance(same, same.detach().clone()).sum().backward()
    assert same.grad is not None
    assert torch.equal(same.grad, torch.zeros(2, 3))


def test_even_motion_is_steady_but_not_slow() -> None:
    start, change = torch.zeros(1, 6), torch.full((1, 6), 0.5)
    tuples = torch.stack([start, start + change, start + 2 * change, start + 50 * change])
    _, orders = coherence_loss(tuples, config=CONFIG)
    assert orders["steady"].item() == 0
    assert orders["slow"].item() == pytest.approx(math.sqrt(6 * 0.25) / 2)
