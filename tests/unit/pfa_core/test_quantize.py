"""Flow in a byte: the bounds of the error are the mathematics, not the code's output."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.quantize import dequantize, quantize


@given(bound_px=st.floats(0.5, 100), seed=st.integers(0, 999))
def test_round_trip_stays_within_half_a_level(bound_px: float, seed: int) -> None:
    flow = np.random.default_rng(seed).uniform(-bound_px, bound_px, (7, 9, 2)).astype(np.float32)
    found = dequantize(quantize(flow, bound_px=bound_px), bound_px=bound_px)
    assert np.abs(found - flow).max() <= bound_px / 254 * 1.001


@given(value=st.floats(-50, 50, width=32))
def test_symmetric(value: float) -> None:
    both = quantize(np.array([value, -value], np.float32), bound_px=20.0)
    assert both[0] == -both[1]


def test_zero_is_exactly_zero_and_the_bound_is_clipped() -> None:
    flow = np.array([0.0, -0.0, 20.0, -20.0, 1e9, -1e9], np.float32)
    codes = quantize(flow, bound_px=20.0)
    assert codes.tolist() == [0, 0, 127, -127, 127, -127]
    assert dequantize(codes, bound_px=20.0)[:4].tolist() == pytest.approx([0, 0, 20, -20])
    assert flow[4] == np.float32(1e9)  # the input is not touched


def test_root_mean_square_error_at_a_bound_of_twenty() -> None:
    flow = np.random.default_rng(0).normal(0, 3, 100_000).astype(np.float32)
    error = dequantize(quantize(flow, bound_px=20.0), bound_px=20.0) - flow
    assert np.sqrt((error**2).mean()) == pytest.approx(20 / 127 / np.sqrt(12), rel=0.02)  # a uniform error's spread
