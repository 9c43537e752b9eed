import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.pretext import auc, figures

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=20)


@given(positive=SCORES, negative=SCORES)
def test_auc_is_the_share_of_pairs_in_order(positive: list[int], negative: list[int]) -> None:
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    found = auc(np.array(positive, float), np.array(negative, float))
    assert found == pytest.approx(sum(pairs) / len(pairs))


def logits(*rows: list[float]) -> torch.Tensor:
    """Scores (yes minus no) as logits around an offset that must not matter."""
    scores = torch.tensor(rows)
    return torch.stack([7 - scores / 2, 7 + scores / 2], dim=2)


def test_figures_by_hand() -> None:
    """Two pairs; own, two others, and one of the same video."""
    found = figures(logits([1.0, -1.0, 2.0, 0.5], [-1.0, -2.0, -3.0, 0.5]))
    assert found["accuracy"] == pytest.approx(4 / 6)  # wrong: the 2.0 of another, and the second pair's own
    assert found["chance"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx((3 + 2.5) / 8)  # 1 beats -1 -2 -3; -1 beats -2 -3 and ties with -1
    assert found["same_video_auc"] == pytest.approx(2 / 4)
    expected = [-1.0, 1.0, -1.0, 2.0, -2.0, -3.0]  # how much each speaks for the wrong answer
    assert found["loss"] == pytest.approx(sum(math.log1p(math.exp(wrong)) for wrong in expected) / 6, rel=1e-6)


def test_always_no_reaches_chance() -> None:
    found = figures(logits([-5.0, -5.0, -5.0, -5.0], [-5.0, -5.0, -5.0, -5.0]))
    assert found["accuracy"] == found["chance"]
    assert found["auc"] == 0.5
