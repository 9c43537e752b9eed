"""Intervals over seeds against printed tables, another implementation, and their own promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pfa_core.tables.student import LEVEL, cumulative, estimate, paired, quantile

PRINTED = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042}
"""Two-sided 5 % points by degrees of freedom, from any printed t table."""


@pytest.mark.parametrize(("freedom", "printed"), PRINTED.items())
def test_quantiles_are_those_of_printed_tables(freedom: int, printed: float) -> None:
    assert quantile(0.975, freedom) == pytest.approx(printed, abs=5e-4)


@given(freedom=st.integers(1, 80), probability=st.floats(0.51, 0.9995))
def test_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    assert quantile(probability, freedom) == pytest.approx(float(stats.t.ppf(probability, freedom)), rel=1e-9)
    assert cumulative(quantile(probability, freedom), freedom) == pytest.approx(probability, rel=1e-12)


def test_three_runs_by_hand() -> None:
    found = estimate([0.1, 0.2, 0.6])
    sd = math.sqrt((0.04 + 0.01 + 0.09) / 2)
    assert found.num == 3
    assert found.mean == pytest.approx(0.3)
    assert found.sd == pytest.approx(sd)
    half = 4.302653 * sd / math.sqrt(3)
    assert found.low == pytest.approx(0.3 - half)
    assert found.high == pytest.approx(0.3 + half)
    assert found.sign == 0


def test_one_run_has_no_interval_and_shows_nothing() -> None:
    found = estimate([0.4])
    assert (found.mean, found.sd, found.low, found.high, found.sign) == (0.4, None, None, None, None)


def test_equal_runs_show_nothing() -> None:
    """Two runs that both score one test item more are no proof."""
    assert estimate([0.05, 0.05]).sign is None


def test_the_sign_is_that_of_an_interval_without_zero() -> None:
    assert [estimate([mean - 0.01, mean, mean + 0.01]).sign for mean in (0.5, -0.5, 0.001)] == [1, -1, 0]


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds that are hard for both say nothing about the difference."""
    found = paired({0: 0.50, 1: 0.90, 2: 0.72, 7: 0.1}, {2: 0.70, 1: 0.89, 0: 0.47})
    assert found is not None
    expected = stats.ttest_rel([0.50, 0.90, 0.72], [0.47, 0.89, 0.70]).confidence_interval(LEVEL)
    assert found.num == 3
    assert found.mean == pytest.approx(0.02)
    assert found.low == pytest.approx(float(expected.low))
    assert found.high == pytest.approx(float(expected.high))
    assert found.sign == 0
    assert paired({0: 0.5}, {1: 0.5}) is None


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    runs = np.random.default_rng(0).normal(0.3, 0.05, (4000, 5))
    ends = [(found.low, found.high) for found in map(estimate, runs.tolist())]
    covered = np.mean([low is not None and high is not None and low <= 0.3 <= high for low, high in ends])
    assert covered == pytest.approx(LEVEL, abs=3 * math.sqrt(LEVEL * (1 - LEVEL) / 4000))
