"""Batched TV-L1: each step against its definition, and the whole against the fused kernels and OpenCV."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.flow import end_point_error_px, read_pair
from pfa_core.config.flow import fast, paper
from pfa_core.errors import ConfigInvalid, ImageTooSmall
from pfa_core.flow import make_batch_engine, make_engine, pairs_at_once
from pfa_core.tvl1.batched.engine import BatchedTvL1
from pfa_core.tvl1.batched.steps import iterated, linearised, median_5, resampled, with_gradient
from pfa_core.tvl1.iterate import GX, GY, PUX, PUY, PVX, PVY, RHO, U, V
from tests.unit.pfa_core.test_flow import texture
from tests.unit.pfa_core.test_tvl1 import SIZES, centred_gradient, interpolate, iterate_literally

SIZE = (48, 64)
Luma = NDArray[np.uint8]


def shifted_pairs() -> tuple[Luma, Luma]:
    """Four pairs that stop at different times: nothing moves, noise, and two shifts."""
    first = [texture(*SIZE, seed) for seed in range(4)]
    moves = [(0.0, 0.0), (0.0, 0.0), (2.0, -1.0), (-0.5, 3.0)]
    second = [ndimage.shift(a, (v, u), order=3, mode="nearest") for a, (u, v) in zip(first, moves, strict=True)]
    second[0], second[1] = first[0], texture(*SIZE, 9)
    return np.stack(first).astype(np.uint8), np.stack(second).astype(np.uint8)


def mean_distance_px(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())


# --- the steps


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [0.8, 0.5, 0.73])
def test_shrinking_is_opencvs(size: tuple[int, int], step: float) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, *size)).astype(np.float32)
    expected = [cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR) for image in images]
    found = resampled(torch.from_numpy(images), size=expected[0].shape[:2], step=(1 / step, 1 / step))
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-2)


@pytest.mark.parametrize("size", SIZES)
def test_growing_is_opencvs(size: tuple[int, int]) -> None:
    flow = np.random.default_rng(0).normal(0, 5, (1, 2, *size)).astype(np.float32)
    height, width = round(size[0] * 1.27), round(size[1] * 1.23)
    expected = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in flow[0]]
    step = (size[0] / height, size[1] / width)
    found = resampled(torch.from_numpy(flow), size=(height, width), step=step)
    np.testing.assert_allclose(found[0], np.stack(expected), atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_median(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).normal(size=(2, 2, *size)).astype(np.float32)
    found = median_5(torch.from_numpy(images))
    for i, j in np.ndindex(2, 2):
        np.testing.assert_array_equal(found[i, j], cv2.medianBlur(images[i, j], 5))


@pytest.mark.parametrize("size", SIZES)
def test_linearised(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    first, second = texture(*size, 1).astype(np.float32), texture(*size, 2).astype(np.float32)
    u, v = (rng.normal(0, 3, size).astype(np.float32) for _ in range(2))
    u[0, 0], v[-1, -1] = -1e6, 1e6  # far outside
    gradient, difference, slope = (
        plane[0].numpy()
        for plane in linearised(
            torch.from_numpy(first)[None],
            with_gradient(torch.from_numpy(second)[None]),
            torch.from_numpy(np.stack([u, v]))[None],
        )
    )
    ys, xs = np.mgrid[: size[0], : size[1]]
    at = (xs + u.astype(np.float64), ys + v.astype(np.float64))
    image = interpolate(second, *at)
    gx, gy = (interpolate(g, *at) for g in centred_gradient(second))
    inside = np.abs(u) + np.abs(v) < 1e5  # far outside, gradient times flow loses its digits; zero all the same
    for found, expected in ((gradient[0], gx), (gradient[1], gy), (difference, image - gx * u - gy * v - first)):
        np.testing.assert_allclose(found[inside], expected[inside], atol=2e-2, rtol=1e-3)
    assert gradient[0, 0, 0] == 0
    assert difference[0, 0] == -first[0, 0]
    steep = gx**2 + gy**2 > 1e-2
    np.testing.assert_allclose(slope[steep], -1 / (gx**2 + gy**2)[steep], rtol=2e-2)


@pytest.mark.parametrize("size", SIZES)
def test_inner_iterations_follow_the_equations(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    planes = {i: rng.normal(0, 1, size) for i in (U, V, GX, GY, RHO)}
    planes |= {i: np.zeros(size) for i in (PUX, PUY, PVX, PVY)}

    def both(x: int, y: int) -> torch.Tensor:
        """The planes as a batch of two: the pair, and the same one frozen."""
        return torch.from_numpy(np.stack([planes[x], planes[y]])[None].repeat(2, axis=0))

    flow, dual_x, dual_y, gradient = both(U, V), both(PUX, PVX), both(PUY, PVY), both(GX, GY)
    difference, slope = both(RHO, RHO)[:, 0], -1 / gradient.square().sum(1)
    frozen, live = flow[1].clone(), torch.tensor([True, False])
    theta, lambda_, tau = 0.3, 0.15, 0.25
    for _ in range(5):
        expected = iterate_literally(planes, theta, lambda_, tau)
        flow, dual_x, dual_y, error = iterated(
            flow, dual_x, dual_y, gradient, difference, slope, live, theta, lambda_ * theta, tau / theta
        )
        assert error[0].item() == pytest.approx(expected)
        assert error[1].item() == 0
    for found, (x, y) in ((flow, (U, V)), (dual_x, (PUX, PVX)), (dual_y, (PUY, PVY))):
        np.testing.assert_allclose(found[0], np.stack([planes[x], planes[y]]), atol=1e-9)
    np.testing.assert_array_equal(flow[1], frozen)
    assert not dual_x[1].any()


# --- the whole


@pytest.mark.parametrize("size", [(16, 16), (37, 53), (61, 40), (48, 96)])
def test_agrees_with_opencv_at_any_size(size: tuple[int, int]) -> None:
    whole = texture(size[0] + 4, size[1] + 4)
    a, b = whole[2:-2, 2:-2].astype(np.uint8), whole[1:-3, 3:-1].astype(np.uint8)
    for config in (paper(), fast(), dataclasses.replace(paper(), median_size=0, inner_iterations=7)):
        difference = mean_distance_px(
            make_engine("torch", config, size=size)(a, b), make_engine("opencv", config, size=size)(a, b)
        )
        assert difference < 0.02


@pytest.mark.parametrize("name", ["RubberWhale", "Dimetrodon", "Venus", "Walking", "DogDance"])
@pytest.mark.parametrize("size", [(200, 260), (96, 128)])
def test_agrees_with_the_fused_kernels_on_real_pairs(test_data: Path, name: str, size: tuple[int, int]) -> None:
    """`paper` stops where rounding decides, and an iteration more or less is some 0.01 px."""
    pair = read_pair(test_data / "flow_gt/middlebury" / name)
    a, b = (np.ascontiguousarray(image[: size[0], : size[1]]) for image in (pair.first, pair.second))
    for config, limit_px in ((paper(), 0.02), (fast(), 0.002)):
        difference = mean_distance_px(
            make_engine("torch", config, size=size)(a, b), make_engine("fused", config, size=size)(a, b)
        )
        assert difference < limit_px


def test_is_as_right_as_the_fused_kernels_where_rounding_decides(test_data: Path) -> None:
    """Urban2 moves by more than the coarsest level can follow: three implementations find three answers as good.
    OpenCV's own moves by 0.02 to 0.05 px when one pixel changes by one level (benchmarks/RESULTS.md)."""
    pair = read_pair(test_data / "flow_gt/middlebury/Urban2")
    assert pair.truth is not None
    a, b = (np.ascontiguousarray(image[:200, :260]) for image in (pair.first, pair.second))
    truth = pair.truth[:200, :260]
    errors = {
        backend: end_point_error_px(make_engine(backend, paper(), size=(200, 260))(a, b), truth)
        for backend in ("torch", "fused", "opencv")
    }
    assert errors["torch"] == pytest.approx(errors["opencv"], rel=0.02)
    assert errors["torch"] == pytest.approx(errors["fused"], rel=0.02)


@pytest.mark.parametrize("check_every", [1, 6])
def test_a_pair_does_not_depend_on_its_company(check_every: int) -> None:
    first, second = shifted_pairs()
    for config in (paper(), fast()):
        engine = BatchedTvL1(config, size=SIZE, check_every=check_every)
        together = engine(first, second)
        assert together.shape == (4, *SIZE, 2)
        assert together.dtype == np.float32
        one = make_engine("torch", config, size=SIZE)
        for i, flow in enumerate(together):
            np.testing.assert_allclose(flow, one(first[i], second[i]), atol=1e-3)
        assert not together[0].any()  # equal images


def test_every_backend_takes_batches() -> None:
    first, second = shifted_pairs()
    for backend in ("fused", "torch", "opencv", "dis"):
        batch = make_batch_engine(backend, fast(), size=SIZE, device="cpu")
        one = make_engine(backend, fast(), size=SIZE)
        expected = np.stack([one(a, b) for a, b in zip(first, second, strict=True)])
        np.testing.assert_allclose(batch(first, second), expected, atol=1e-3)
        assert batch(first[:0], second[:0]).shape == (0, *SIZE, 2)


def test_inputs_may_be_read_only() -> None:
    first, second = shifted_pairs()
    first.flags.writeable = False
    make_batch_engine("torch", fast(), size=SIZE, device="cpu")(first, second)


def test_what_cannot_be_measured() -> None:
    first, second = shifted_pairs()
    engine = BatchedTvL1(fast(), size=SIZE)
    for a, b in ((first, second[:2]), (first[0], second[0]), (first[:, :32], second[:, :32])):
        with pytest.raises(ConfigInvalid, match="engine is for"):
            engine(a, b)
    with pytest.raises(ConfigInvalid, match="median"):
        BatchedTvL1(dataclasses.replace(paper(), median_size=3), size=SIZE)
    with pytest.raises(ConfigInvalid, match="no device"):
        make_batch_engine("torch", fast(), size=SIZE, device="cuda:99")
    with pytest.raises(ImageTooSmall):
        make_batch_engine("torch", fast(), size=(12, 40))


def test_batches_are_for_gpus() -> None:
    assert pairs_at_once("fused", size=(240, 320)) == 1
    assert pairs_at_once("torch", size=(240, 320)) == (64 if torch.cuda.is_available() else 1)


def test_the_interface_to_flow_needs_no_torch() -> None:
    program = "import sys, pfa_core.flow; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
