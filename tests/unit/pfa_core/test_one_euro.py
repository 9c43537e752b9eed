"""The One Euro filter against its authors' algorithm, written out for one number, and what it is for."""

import math

import numpy as np
import pytest

from pfa_core.one_euro import OneEuro


def literal(values: list[float], times_s: list[float], *, min_cutoff: float, beta: float) -> list[float]:
    """Algorithm 1 and 2 of Casiez et al. 2012."""
    found, last, speed = [values[0]], values[0], 0.0
    for value, step_s in zip(values[1:], np.diff(times_s), strict=True):
        rate = 1 / step_s
        alpha_speed = 1 / (1 + rate / (2 * math.pi * 1.0))
        speed = alpha_speed * (value - last) * rate + (1 - alpha_speed) * speed
        alpha = 1 / (1 + rate / (2 * math.pi * (min_cutoff + beta * abs(speed))))
        last = alpha * value + (1 - alpha) * last
        found.append(last)
    return found


@pytest.mark.parametrize(("min_cutoff", "beta"), [(1.0, 0.0), (0.5, 3.0), (4.0, 0.2)])
def test_every_coordinate_is_filtered_as_the_authors_say(min_cutoff: float, beta: float) -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(100, 20, (30, 4, 2))
    times_s = np.cumsum(rng.uniform(0.02, 0.1, 30)).tolist()
    smooth = OneEuro(min_cutoff_hz=min_cutoff, beta=beta)
    found = np.stack([smooth(p, time_s=t, side_px=50.0) for p, t in zip(points, times_s, strict=True)])
    for k in range(4):
        for axis in range(2):
            expected = literal((points[:, k, axis] / 50).tolist(), times_s, min_cutoff=min_cutoff, beta=beta)
            assert np.allclose(found[:, k, axis], np.array(expected) * 50)


def test_what_rests_is_steadied_and_what_moves_is_followed() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (200, 1, 2))
    smooth, quick = OneEuro(min_cutoff_hz=0.5, beta=0.0), OneEuro(min_cutoff_hz=0.5, beta=50.0)
    still = np.stack([smooth(100 + one, time_s=n / 25, side_px=100.0) for n, one in enumerate(noise)])
    assert still[50:].std() < 0.5 * noise[50:].std()
    lags = []
    for beta_filter in (OneEuro(min_cutoff_hz=0.5, beta=0.0), quick):
        for n in range(50):
            place = np.full((1, 2), 10.0 * n)
            lag = float(np.abs(place - beta_filter(place, time_s=n / 25, side_px=100.0)).max())
        lags.append(lag)
    assert lags[1] < 0.1 * lags[0]


def test_the_input_stays_as_it_was_and_a_step_back_in_time_begins_anew() -> None:
    smooth = OneEuro(min_cutoff_hz=1.0, beta=0.0)
    first = np.zeros((2, 2))
    smooth(first, time_s=1.0, side_px=1.0)
    other = np.ones((2, 2))
    assert (smooth(other, time_s=0.5, side_px=1.0) == 1).all()
    assert (first == 0).all()
    assert (other == 1).all()
