"""Bootstrap intervals: against a literal loop, against scipy, and by what they promise, their coverage."""

import math

import numpy as np
import pytest
import scipy.stats

from pfa_core.bootstrap import Resamples, mean_of_known


def _clustered(rng: np.random.Generator, *, num_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Six members a group, right or wrong mostly together: (N, 1) hits and (N,) groups. The true rate is 1/2."""
    chance = rng.beta(0.5, 0.5, num_groups)
    groups = np.repeat(np.arange(num_groups), 6)
    return (rng.random(len(groups)) < chance[groups])[:, None], groups


def test_sums_and_ends_equal_a_literal_loop() -> None:
    """Members, groups and resamples one by one; the quantile by its definition (linear between order statistics)."""
    rng = np.random.default_rng(4)
    groups = [f"group {n}" for n in rng.integers(0, 9, 40)]
    hits, counted = rng.random((40, 1)) < 0.6, rng.random((40, 1)) < 0.9
    hits &= counted
    names = list(dict.fromkeys(groups))
    draws = np.random.default_rng(11)
    rates = []
    for _ in range(200):
        won = tried = 0
        for drawn in draws.integers(len(names), size=len(names)):
            for n, group in enumerate(groups):
                if group == names[drawn]:
                    won += int(hits[n, 0])
                    tried += int(counted[n, 0])
        rates.append(won / tried)
    resamples = Resamples(groups, seed=11, num_resamples=200)
    found = resamples.rates(hits, counted)
    np.testing.assert_allclose(found[:, 0], rates)
    rates.sort()
    for end, share in zip(resamples.interval(found)[0], (0.025, 0.975), strict=True):
        place = share * 199
        below = math.floor(place)
        assert end == pytest.approx(rates[below] + (place - below) * (rates[below + 1] - rates[below]))


def test_agrees_with_scipy() -> None:
    """scipy resamples pairs (hits, tries) of groups; both draw at random, so they agree to the draws' noise."""
    rng = np.random.default_rng(5)
    hits, groups = _clustered(rng, num_groups=50)
    counted = rng.random(hits.shape) < 0.8
    hits = hits & counted
    won = np.bincount(groups, hits[:, 0])
    tried = np.bincount(groups, counted[:, 0])
    expected = scipy.stats.bootstrap(
        (won, tried), lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis), paired=True, method="percentile",
        n_resamples=5000, rng=np.random.default_rng(6),
    ).confidence_interval  # fmt: skip
    resamples = Resamples(list(groups), seed=7, num_resamples=5000)
    low, high = resamples.interval(resamples.rates(hits, counted))[0]
    assert high - low > 0.1
    assert low == pytest.approx(expected.low, abs=0.012)
    assert high == pytest.approx(expected.high, abs=0.012)


def test_covers_the_truth_as_often_as_it_says_and_single_members_do_not() -> None:
    """400 simulated test sets of 60 groups: 95 % within sampling noise; ignoring the groups covers far less."""
    rng = np.random.default_rng(8)
    covered = {"groups": 0, "members": 0}
    for seed in range(400):
        hits, groups = _clustered(rng, num_groups=60)
        for unit, drawn in (("groups", groups), ("members", np.arange(len(groups)))):
            resamples = Resamples(list(drawn), seed=seed, num_resamples=300)
            low, high = resamples.interval(resamples.rates(hits, np.ones_like(hits)))[0]
            covered[unit] += low <= 0.5 <= high
    assert 0.91 <= covered["groups"] / 400 <= 0.98
    assert covered["members"] / 400 < 0.8


def test_the_seed_alone_decides() -> None:
    hits, groups = _clustered(np.random.default_rng(9), num_groups=30)

    def ends(seed: int) -> list[float]:
        resamples = Resamples(list(groups), seed=seed)
        return list(resamples.interval(resamples.rates(hits, np.ones_like(hits)))[0])

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)


def test_what_cannot_be_told_is_nan() -> None:
    """One group; a part that is never labelled; a part of one group alone, which many resamples lack."""
    hits = np.ones((4, 2), dtype=bool)
    one = Resamples(["a"] * 4, seed=0)
    assert np.isnan(one.interval(one.rates(hits, hits))).all()
    counted = np.array([[True, False, True]] + [[True, False, False]] * 3)
    many = Resamples(["a", "b", "c", "d"], seed=0)
    found = many.rates(counted & [[True], [False], [True], [False]], counted)
    assert np.isnan(found[:, 2]).any()
    low, high = many.interval(found).T
    assert np.isnan(low).tolist() == [False, True, False]
    assert (low[2], high[2]) == (1, 1)
    nobody = Resamples([], seed=0)
    assert np.isnan(nobody.interval(nobody.rates(hits[:0], hits[:0]))).all()


def test_mean_of_known_by_hand() -> None:
    rates = np.array([[0.5, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(mean_of_known(rates), [0.75, np.nan])
