"""The interface to flow, and what every backend must answer."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pfa_core.config.flow import FlowBackend, FlowPreset, TvL1Config, fast, paper
from pfa_core.errors import ConfigInvalid, ImageTooSmall
from pfa_core.flow import luma, make_engine, pair_flow
from pfa_core.tvl1.opencv import create

BACKENDS: tuple[FlowBackend, ...] = ("fused", "torch", "opencv", "dis")


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.float64]:
    """Smooth random grey levels, 0..255."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = ndimage.gaussian_filter(noise, 2)
    return (smooth - smooth.min()) / np.ptp(smooth) * 255


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0), (-1.5, 0.5)])
def test_a_shifted_image_yields_that_flow(backend: FlowBackend, shift: tuple[float, float]) -> None:
    right, down = shift
    first = texture(90, 120)
    second = ndimage.shift(first, (down, right), order=3, mode="nearest")
    flow = pair_flow(first.astype(np.uint8), second.astype(np.uint8), backend=backend)
    assert flow.shape == (90, 120, 2)
    assert flow.dtype == np.float32
    inside = flow[12:-12, 12:-12]
    assert np.abs(inside.mean(axis=(0, 1)) - shift).max() < 0.1
    assert np.abs(inside - shift).mean() < 0.25


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(48, 64), (32, 43)])
def test_inputs_are_left_alone_and_engines_forget(backend: FlowBackend, size: tuple[int, int]) -> None:
    a, b, c = (texture(*size, seed).astype(np.uint8) for seed in range(3))
    engine = make_engine(backend, paper(), size=size)
    first = engine(a, b)
    kept = first.copy()
    engine(b, c)
    np.testing.assert_array_equal(first, kept)  # an answer is not overwritten by the next
    np.testing.assert_array_equal(engine(a, b), kept)  # nor does the next depend on the last
    np.testing.assert_array_equal(a, texture(*size, 0).astype(np.uint8))


@pytest.mark.parametrize("preset", ["paper", "fast"])
def test_rgb_is_the_same_as_its_luma(preset: FlowPreset) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (32, 40, 3), dtype=np.uint8) for _ in range(2))
    by_colour = pair_flow(first, second, preset=preset)
    np.testing.assert_array_equal(by_colour, pair_flow(luma(first), luma(second), preset=preset))


def test_luma_is_bt601() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma(rgb) - exact).max() <= 0.51


@pytest.mark.parametrize(("first", "second", "error"), [
    (np.zeros((32, 32), np.uint8), np.zeros((32, 33), np.uint8), ConfigInvalid),
    (np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32), ConfigInvalid),
    (np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 4), np.uint8), ConfigInvalid),
    (np.zeros((15, 32), np.uint8), np.zeros((15, 32), np.uint8), ImageTooSmall),
])  # fmt: skip
def test_what_cannot_be_measured(first: NDArray[np.uint8], second: NDArray[np.uint8], error: type[Exception]) -> None:
    with pytest.raises(error):
        pair_flow(first, second)


def test_unknown_names() -> None:
    image = np.zeros((32, 32), np.uint8)
    with pytest.raises(ConfigInvalid, match="backend"):
        pair_flow(image, image, backend="farneback")  # type: ignore[arg-type]  # what a caller may mistype
    with pytest.raises(ConfigInvalid, match="preset"):
        pair_flow(image, image, preset="best")  # type: ignore[arg-type]  # likewise


def test_opencv_gets_every_parameter() -> None:
    config = TvL1Config(
        tau=0.2, lambda_=0.1, theta=0.4, num_scales=3, scale_step=0.7, num_warps=2, epsilon=0.02,
        inner_iterations=7, outer_iterations=4, median_size=3,
    )  # fmt: skip
    flow = create(config)
    found = (
        flow.getTau(), flow.getLambda(), flow.getTheta(), flow.getScalesNumber(), flow.getScaleStep(),
        flow.getWarpingsNumber(), flow.getEpsilon(), flow.getInnerIterations(), flow.getOuterIterations(),
        flow.getMedianFiltering(),
    )  # fmt: skip
    assert found == (0.2, 0.1, 0.4, 3, 0.7, 2, 0.02, 7, 4, 3)


def test_the_paper_preset_is_opencvs_default() -> None:
    import cv2

    default, ours = cv2.optflow.DualTVL1OpticalFlow.create(), create(paper())
    for name in dir(default):
        if name.startswith("get") and name != "getDefaultName":
            assert getattr(default, name)() == getattr(ours, name)(), name


def test_no_gradient_no_motion() -> None:
    flat = np.full((40, 50), 77, np.uint8)
    for config in (paper(), fast()):
        flow = make_engine("fused", config, size=(40, 50))(flat, flat)
        np.testing.assert_array_equal(flow, 0)
