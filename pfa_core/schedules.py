"""The learning rate as a pure function of the step."""

import math

from pfa_core.config.net import LearnConfig

WARM_UP = 0.3
"""`one_cycle`: fraction of the steps in which the rate rises."""
START_DIVISOR = 25.0
"""`one_cycle` starts at the peak rate divided by this."""
END_DIVISOR = 1e4
"""`one_cycle` ends at its starting rate divided by this."""


def learning_rate(step: int, learn: LearnConfig) -> float:
    """The rate used in step `step` of 0..steps - 1.

    `step`: the peak rate, a tenth of it after `drop_at` of the steps (paper section 3).
    `cosine`: half a cosine from the peak rate towards zero.
    `one_cycle`: half a cosine up and half a cosine down (Smith and Topin 2018), with torch's constants.
    """
    peak = learn.learning_rate
    if learn.schedule == "step":
        return peak if step < learn.drop_at * learn.steps else peak / 10
    if learn.schedule == "cosine":
        return _half_cosine(peak, 0.0, step / learn.steps)
    top = WARM_UP * learn.steps - 1
    last = learn.steps - 1
    if step <= top:
        return _half_cosine(peak / START_DIVISOR, peak, step / top if top > 0 else 1.0)
    fraction = (step - top) / (last - top) if last > top else 1.0
    return _half_cosine(peak, peak / START_DIVISOR / END_DIVISOR, fraction)


def _half_cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
