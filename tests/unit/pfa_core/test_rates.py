from dataclasses import replace

import pytest
import torch

from pfa_core.config import pretrain as presets
from pfa_core.rates import flop_per_positive, matmul_flops


def test_a_positive_of_the_paper_costs_what_its_layers_add_up_to() -> None:
    """Table of VGG-M: multiplications of a pass over a frame and over a flow block, by hand, at 224 px.

    Forward and backward are three passes, but for conv1, whose input needs no gradient.
    """
    rest = 26**2 * 256 * 96 * 5**2 + 13**2 * (512 * 256 + 2 * 512 * 512) * 3**2 + 4096 * 512 * 6**2
    conv1 = 109**2 * 96 * 7**2
    backbones = 3 * 3 * rest + 2 * conv1 * (2 * 3 + 24)
    head = 3 * (3 * 4096 * 4096 + 3 * 4096 * 2)
    assert flop_per_positive(presets.paper()) == pytest.approx(2 * (backbones + head), rel=1e-3)


def test_more_negatives_cost_next_to_nothing() -> None:
    """Their features are those of other pairs."""
    many = replace(presets.paper(), num_negatives=8)
    assert flop_per_positive(many) == pytest.approx(flop_per_positive(presets.paper()), rel=1e-4)


def test_the_rate_is_products_by_time() -> None:
    ticks = iter(float(tick) for tick in range(100))
    rate = matmul_flops(torch.device("cpu"), wanted=False, seconds=2.0, clock=lambda: next(ticks))
    # Begun at 0; looked at 1 (a product follows) and at 2 (none does); ended at 3.
    assert rate == 1 * 2 * 2048**3 / 3
