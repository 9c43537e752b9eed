"""Metrics: cases worked out by hand, literal oracles, and invariance under order."""

import math

import numpy as np
import pytest
import sklearn.metrics

from pfa_core.metrics import (
    Flags,
    Floats,
    confusion,
    limb_hits,
    pck,
    pcp,
    pdj,
    rate,
    topk_hits,
    torso_diameters,
)
from pfa_core.skeleton import FLIC, JointSet


def _random(seed: int, *, people: int = 40, joints: int = 5) -> tuple[Floats, Floats, Flags]:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (people, joints, 2))
    return true + rng.normal(0, 15, true.shape), true, rng.random((people, joints)) > 0.3


def _literal_pcp(predicted: Floats, true: Floats, labelled: Flags, limb: tuple[int, int]) -> float:
    found = counted = 0
    for n in range(len(true)):
        a, b = limb
        if not (labelled[n, a] and labelled[n, b]):
            continue
        counted += 1
        half = math.dist(true[n, a], true[n, b]) / 2
        if math.dist(predicted[n, a], true[n, a]) <= half and math.dist(predicted[n, b], true[n, b]) <= half:
            found += 1
    return found / counted


def _literal_pdj(
    predicted: Floats, true: Floats, labelled: Flags, *, torso: Floats, joint: int, fraction: float
) -> float:
    distances = [
        math.dist(predicted[n, joint], true[n, joint]) / torso[n] for n in range(len(true)) if labelled[n, joint]
    ]
    return sum(d <= fraction for d in distances) / len(distances)


def test_pcp_by_hand() -> None:
    """A limb of 10 px: both ends may be off by 5 px, inclusive; one bad end spoils it (strict)."""
    true = np.tile(np.array([[0.0, 0.0], [10.0, 0.0]]), (4, 1, 1))
    predicted = true.copy()
    predicted[0] += (0, 5)  # both at the limit: found
    predicted[1, 0] += (5.01, 0)  # one end beyond: not found, though the mean error is small
    predicted[2] += (3, 4)  # 5 px each: found
    labelled = np.ones((4, 2), dtype=bool)
    labelled[3, 1] = False  # does not count
    assert pcp(predicted, true, labelled, limbs=[(0, 1)]).tolist() == pytest.approx([2 / 3])


def test_pdj_by_hand() -> None:
    true = np.zeros((3, 1, 2))
    predicted = np.array([[[6.0, 8.0]], [[10.0, 0.01]], [[0.0, 0.0]]])  # 10, just over 10, 0 px
    labelled = np.ones((3, 1), dtype=bool)
    torso = np.array([50.0, 50.0, 50.0])
    assert pdj(predicted, true, labelled, torso_px=torso, fraction=0.2).tolist() == pytest.approx([2 / 3])
    torso[2] = np.nan  # no torso: does not count
    assert pdj(predicted, true, labelled, torso_px=torso, fraction=0.2).tolist() == pytest.approx([1 / 2])


def test_torso_runs_from_left_shoulder_to_right_hip() -> None:
    points = np.full((2, len(FLIC), 2), 1000.0)
    points[:, FLIC.index("left_shoulder")] = (10, 20)
    points[:, FLIC.index("right_hip")] = (40, 60)
    labelled = np.ones((2, len(FLIC)), dtype=bool)
    labelled[1, FLIC.index("right_hip")] = False
    np.testing.assert_allclose(torso_diameters(points, labelled, joints=FLIC), [50.0, np.nan])
    assert np.isnan(torso_diameters(points[:, :1], labelled[:, :1], joints=JointSet(("nose",)))).all()


@pytest.mark.parametrize("seed", range(3))
def test_pcp_equals_the_literal_one(seed: int) -> None:
    predicted, true, labelled = _random(seed)
    limbs = [(0, 1), (3, 2), (1, 4)]
    expected = [_literal_pcp(predicted, true, labelled, limb) for limb in limbs]
    np.testing.assert_allclose(pcp(predicted, true, labelled, limbs=limbs), expected)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.4])
def test_pdj_equals_the_literal_one_and_order_does_not_matter(fraction: float) -> None:
    predicted, true, labelled = _random(7)
    torso = np.random.default_rng(8).uniform(30, 80, len(true))
    found = pdj(predicted, true, labelled, torso_px=torso, fraction=fraction)
    expected = [
        _literal_pdj(predicted, true, labelled, torso=torso, joint=k, fraction=fraction) for k in range(true.shape[1])
    ]
    np.testing.assert_allclose(found, expected)
    order = np.random.default_rng(9).permutation(len(true))
    shuffled = pdj(predicted[order], true[order], labelled[order], torso_px=torso[order], fraction=fraction)
    np.testing.assert_allclose(shuffled, found)


def test_a_joint_that_is_never_labelled_is_nan() -> None:
    predicted, true, labelled = _random(3)
    labelled[:, 2] = False
    true[:, 2] = np.nan
    found = pck(predicted, true, labelled, size_px=np.full(len(true), 50.0), fraction=0.5)
    assert np.isnan(found).tolist() == [False, False, True, False, False]
    assert np.isnan(pcp(predicted, true, labelled, limbs=[(2, 3)])).all()


def test_limbs_of_no_length_need_exact_ends() -> None:
    true = np.zeros((2, 2, 2))
    predicted = true.copy()
    predicted[1, 0, 0] = 1e-6
    hit, counted = limb_hits(predicted, true, np.ones((2, 2), dtype=bool), limbs=[(0, 1)])
    assert hit[:, 0].tolist() == [True, False]
    assert counted.all()


def test_confusion_by_hand() -> None:
    true = np.array([0, 0, 0, 1, 1, 3])
    predicted = np.array([0, 0, 1, 1, 1, 0])
    table = confusion(predicted, true, num_labels=4)
    assert table.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_top_k_by_hand() -> None:
    """The true class is the first, the second and the last guess; of equal ones the first comes first."""
    probabilities = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2]])
    true = np.array([0, 1, 2, 1])
    assert topk_hits(probabilities, true, k=1).tolist() == [True, False, False, False]
    assert topk_hits(probabilities, true, k=2).tolist() == [True, True, False, True]
    assert topk_hits(probabilities, true, k=3).all()
    assert topk_hits(probabilities[:0], true[:0], k=1).shape == (0,)


def test_top_1_is_argmax_with_ties_too() -> None:
    probabilities = np.random.default_rng(1).integers(0, 3, (50, 4)) / 3
    true = np.random.default_rng(2).integers(0, 4, 50)
    np.testing.assert_array_equal(topk_hits(probabilities, true, k=1), probabilities.argmax(axis=1) == true)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_action_metrics_agree_with_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(3)
    true = rng.permutation(np.concatenate([np.arange(7), rng.integers(0, 7, 83)]))  # each class is there
    probabilities = rng.dirichlet(np.ones(7), len(true))
    expected = sklearn.metrics.top_k_accuracy_score(true, probabilities, k=k)
    assert topk_hits(probabilities, true, k=k).mean() == pytest.approx(expected)
    predicted = probabilities.argmax(axis=1)
    table = confusion(predicted, true, num_labels=7)
    np.testing.assert_array_equal(table, sklearn.metrics.confusion_matrix(true, predicted, labels=range(7)))


def test_rate_of_nothing_is_nan() -> None:
    np.testing.assert_allclose(rate(np.array([0, 1]), np.array([0, 2])), [np.nan, 0.5])
