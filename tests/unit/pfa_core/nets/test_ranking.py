"""The ranking loss against its source's formula, one pair at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pfa_core.config.net import NetConfig
from pfa_core.nets.ranking import RankingNet, cosine_distances, hard_negatives, ranking_loss
from pfa_core.seeds import seeded

MARGIN = 0.5


def embeddings_of(seed: int, *, num_pairs: int, units: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2 * num_pairs, units, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def literal_distance(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def literal_loss(embeddings: Tensor, negatives: list[list[int]]) -> float:
    """max(0, D(q, p) - D(q, n) + M), averaged over pairs and negatives."""
    rows, terms = embeddings.tolist(), []
    num_pairs = len(rows) // 2
    for pair, chosen in enumerate(negatives):
        for row in chosen:
            near = literal_distance(rows[pair], rows[num_pairs + pair])
            terms.append(max(0.0, near - literal_distance(rows[pair], rows[row]) + MARGIN))
    return sum(terms) / len(terms)


@given(seed=st.integers(0, 99), num_pairs=st.integers(2, 6))
def test_the_loss_is_the_formulas(seed: int, num_pairs: int) -> None:
    embeddings = embeddings_of(seed, num_pairs=num_pairs)
    negatives = torch.randint(2 * num_pairs, (num_pairs, 3), generator=torch.Generator().manual_seed(seed))
    loss = ranking_loss(cosine_distances(embeddings), negatives, margin=MARGIN)
    assert loss.item() == pytest.approx(literal_loss(embeddings, negatives.tolist()), abs=1e-5)


def test_the_gradient_is_the_formulas() -> None:
    embeddings = embeddings_of(3, num_pairs=3)
    negatives = [[1, 4, 5], [0, 2, 3], [3, 0, 1]]
    variable = embeddings.clone().requires_grad_(True)
    ranking_loss(cosine_distances(variable), torch.tensor(negatives), margin=MARGIN).backward()
    assert variable.grad is not None
    step = 1e-5
    for place in range(embeddings.numel()):
        ahead, behind = embeddings.clone(), embeddings.clone()
        ahead.view(-1)[place] += step
        behind.view(-1)[place] -= step
        slope = (literal_loss(ahead, negatives) - literal_loss(behind, negatives)) / (2 * step)
        assert variable.grad.view(-1)[place].item() == pytest.approx(slope, abs=1e-5)


@given(
    video=st.lists(st.integers(0, 3), min_size=2, max_size=8).filter(lambda v: len(set(v)) >= 2),
    count=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_hard_negatives_are_the_nearest_patches_of_other_videos(video: list[int], count: int, seed: int) -> None:
    embeddings = embeddings_of(seed, num_pairs=len(video))
    chosen = hard_negatives(cosine_distances(embeddings), torch.tensor(video), count=count)
    assert chosen.shape == (len(video), count)
    rows, of = embeddings.tolist(), video + video
    for pair, found in enumerate(chosen.tolist()):
        others = [row for row in range(len(of)) if of[row] != video[pair]]
        nearest = sorted(others, key=lambda row: literal_distance(rows[pair], rows[row]))
        expected = [nearest[k % len(nearest)] for k in range(count)]
        distances = [[literal_distance(rows[pair], rows[row]) for row in some] for some in (found, expected)]
        assert distances[0] == pytest.approx(distances[1], abs=1e-5)
        assert all(of[row] != video[pair] for row in found)


def test_hard_negatives_have_the_largest_loss_of_all() -> None:
    distances = cosine_distances(embeddings_of(7, num_pairs=6))
    video = torch.arange(6)
    hard = ranking_loss(distances, hard_negatives(distances, video, count=2), margin=MARGIN)
    for seed in range(20):
        order = torch.rand(6, 12, generator=torch.Generator().manual_seed(seed)).argsort(dim=1).tolist()
        some = [[row for row in rows if row % 6 != pair][:2] for pair, rows in enumerate(order)]
        assert ranking_loss(distances, torch.tensor(some), margin=MARGIN) <= hard + 1e-6


def test_distances_are_exact_under_autocast() -> None:
    embeddings = embeddings_of(2, num_pairs=4, units=64, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = cosine_distances(embeddings)
    assert torch.equal(reduced, cosine_distances(embeddings))


def test_an_embedding_is_a_layer_above_fc6() -> None:
    with seeded(0):
        net = RankingNet(NetConfig(width=1 / 32, crop_px=64)).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert net(images).shape == (2, 32)
    assert torch.equal(net(images), net.project(net.appearance(images)))
    assert net.project.in_features == 128
