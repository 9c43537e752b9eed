"""The fused kernels against OpenCV, against ground truth, and against slow literal versions."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from benchmarks.flow import end_point_error_px, read_pair
from pfa_core.config.flow import fast, paper
from pfa_core.errors import ConfigInvalid
from pfa_core.tvl1 import simd
from pfa_core.tvl1.fused import FusedTvL1, interleave
from pfa_core.tvl1.iterate import GX, GY, PUX, PUY, PVX, PVY, RHO, SLOPE, U, V, sweep
from pfa_core.tvl1.level import LEAST_KEPT, MAX_STAGES, stages_ahead
from pfa_core.tvl1.median import median_5
from pfa_core.tvl1.networks import median_25, merge, sort_five
from pfa_core.tvl1.opencv import OpenCvTvL1
from pfa_core.tvl1.planes import Layout, aligned_zeros
from pfa_core.tvl1.warp import BORDER, warp
from tests.unit.pfa_core.test_flow import texture

Plane = NDArray[np.float32]
SIZES = [(16, 16), (17, 45), (40, 32), (33, 61), (25, 80)]


# --- sorting networks: the zero-one principle (a network that sorts every sequence of zeros and ones sorts anything)


@pytest.mark.parametrize("bits", list(itertools.product((0, 1), repeat=5)))
def test_sort_five(bits: tuple[int, ...]) -> None:
    assert sort_five(bits, min, max) == sorted(bits)


@pytest.mark.parametrize(("num_a", "num_b"), [(5, 5), (10, 10), (3, 4), (1, 6), (0, 2), (7, 5)])
def test_merge(num_a: int, num_b: int) -> None:
    for ones_a, ones_b in itertools.product(range(num_a + 1), range(num_b + 1)):
        a, b = sorted([1] * ones_a + [0] * (num_a - ones_a)), sorted([1] * ones_b + [0] * (num_b - ones_b))
        assert merge(a, b, min, max) == sorted(a + b)


def test_median_of_25() -> None:
    for ones in itertools.product(range(11), range(11), range(6)):
        lists = [[0] * (n - k) + [1] * k for n, k in zip((10, 10, 5), ones, strict=True)]
        assert median_25(lists[0], lists[1], lists[2], min, max) == (sum(ones) >= 13)


# --- vectors


def test_vector_arithmetic() -> None:
    @njit
    def compute(a: Any, b: Any, out: Any) -> float:
        x, y = simd.load(a, 1), simd.load(b, 0)
        simd.store(out, 0, simd.smaller(x + y, x * y - y))
        simd.store(out, 16, simd.larger(simd.round_down(x), simd.ramp()))
        simd.store(out, 32, simd.keep(x, 5))
        simd.store(out, 48, simd.inverse_root(y))
        simd.store(out, 64, simd.inverse(y))
        simd.store(out, 80, simd.exact_inverse_root(y) + simd.splat(np.float32(2)))
        return simd.total(y)

    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 9, 17).astype(np.float32), rng.uniform(1e-6, 50, 16).astype(np.float32)
    out = np.zeros(96, np.float32)
    total = compute(a, b, out)
    x, ramp = a[1:], np.arange(16)
    expected = [np.minimum(x + b, x * b - b), np.maximum(np.floor(x), ramp), np.where(ramp < 5, x, 0)]
    np.testing.assert_allclose(out[:48], np.concatenate(expected), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(out[48:64], b**-0.5, rtol=2**-13.5)
    np.testing.assert_allclose(out[64:80], 1 / b, rtol=2**-13.5)
    np.testing.assert_allclose(out[80:], b**-0.5 + 2, rtol=1e-5)
    assert total == pytest.approx(b.sum(), rel=1e-5)


# --- the median, against OpenCV


@pytest.mark.parametrize("size", SIZES)
def test_median(size: tuple[int, int]) -> None:
    layout = Layout(*size)
    f, s = layout.allocate(2), layout.stride
    image = np.random.default_rng(0).normal(size=size).astype(np.float32)
    layout.view(f, 1)[...] = image
    scratch = (aligned_zeros(layout.plane), aligned_zeros(5 * s), aligned_zeros(10 * s))
    median_5(f, layout.plane, layout.origin, *size, s, *scratch)
    np.testing.assert_array_equal(layout.view(f, 1), cv2.medianBlur(image, 5))


# --- the warp, against a literal bicubic interpolation


def cubic(t: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Keys' kernel. Source: Keys (1981), equation 15, with a free."""
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    return np.where(t <= 1, near, np.where(t < 2, a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a, 0))


def interpolate(image: Plane, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bicubic, zero outside."""
    weights_x = cubic(xs[..., None] - np.arange(image.shape[1]))
    weights_y = cubic(ys[..., None] - np.arange(image.shape[0]))
    return np.einsum("hwy,yx,hwx->hw", weights_y, image.astype(np.float64), weights_x)


def centred_gradient(image: Plane) -> tuple[Plane, Plane]:
    """Half the difference of the neighbours; a neighbour beyond the edge is the pixel itself."""
    padded = np.pad(image, 1, mode="edge").astype(np.float32)
    half = np.float32(0.5)
    return half * (padded[1:-1, 2:] - padded[1:-1, :-2]), half * (padded[2:, 1:-1] - padded[:-2, 1:-1])


@pytest.mark.parametrize("size", SIZES)
def test_warp(size: tuple[int, int]) -> None:
    height, width = size
    layout, rng = Layout(*size), np.random.default_rng(0)
    f, s = layout.allocate(11), layout.stride
    first, second = texture(*size, 1).astype(np.float32), texture(*size, 2).astype(np.float32)
    u, v = (rng.normal(0, 3, size).astype(np.float32) for _ in range(2))
    u[0, 0], v[-1, -1] = -1e6, 1e6  # far outside
    layout.view(f, U)[...], layout.view(f, V)[...], layout.view(f, 10)[...] = u, v, first
    source = np.zeros((height + 2 * BORDER, width + 2 * BORDER, 4), np.float32)
    interleave(second, source)
    warp(
        f, f[10 * layout.plane :], source.reshape(-1), layout.plane,
        layout.origin, height, width, s, np.zeros(2 * s, np.int32), aligned_zeros(8 * s), aligned_zeros(4 * s),
    )  # fmt: skip
    ys, xs = np.mgrid[:height, :width]
    at = (xs + u.astype(np.float64), ys + v.astype(np.float64))
    image = interpolate(second, *at)
    gx, gy = (interpolate(g, *at) for g in centred_gradient(second))
    for plane, expected in ((GX, gx), (GY, gy), (RHO, image - gx * u - gy * v - first)):
        inside = np.abs(u) + np.abs(v) < 1e5  # far outside, gradient times flow loses its digits; zero all the same
        np.testing.assert_allclose(layout.view(f, plane)[inside], expected[inside], atol=2e-2, rtol=1e-3)
    assert layout.view(f, GX)[0, 0] == 0
    assert layout.view(f, RHO)[0, 0] == -first[0, 0]
    steep = gx**2 + gy**2 > 1e-2
    np.testing.assert_allclose(layout.view(f, SLOPE)[steep], -1 / (gx**2 + gy**2)[steep], rtol=2e-2)


# --- the inner iteration, against the equations


def iterate_literally(p: dict[int, NDArray[np.float64]], theta: float, lambda_: float, tau: float) -> float:
    """One inner iteration as the equations stand, in place; the sum of squared changes of u. Source: Zach et al."""
    gx, gy = p[GX], p[GY]
    rho = p[RHO] + gx * p[U] + gy * p[V]
    square = gx**2 + gy**2
    below, above = rho < -lambda_ * theta * square, rho > lambda_ * theta * square
    step = np.where(below, lambda_ * theta, np.where(above, -lambda_ * theta, -rho / square))
    changed = 0.0
    for flow, gradient, px, py in ((U, gx, PUX, PUY), (V, gy, PVX, PVY)):
        divergence = np.diff(p[px], axis=1, prepend=0) + np.diff(p[py], axis=0, prepend=0)
        new = p[flow] + step * gradient + theta * divergence
        changed += ((new - p[flow]) ** 2).sum()
        p[flow] = new
        dx = np.diff(new, axis=1, append=new[:, -1:])
        dy = np.diff(new, axis=0, append=new[-1:])
        norm = 1 + tau / theta * np.hypot(dx, dy)
        p[px], p[py] = (p[px] + tau / theta * dx) / norm, (p[py] + tau / theta * dy) / norm
    return changed


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_sweep(size: tuple[int, int], stages: int) -> None:
    layout, rng = Layout(*size), np.random.default_rng(0)
    f = layout.allocate(10)
    planes = {i: rng.normal(0, 1, size) for i in (U, V, GX, GY, RHO)} | {
        i: np.zeros(size) for i in (PUX, PUY, PVX, PVY)
    }
    for i, plane in planes.items():
        layout.view(f, i)[...] = plane
    layout.view(f, SLOPE)[...] = -1 / (planes[GX] ** 2 + planes[GY] ** 2)
    theta, lambda_, tau = 0.3, 0.15, 0.25
    limits = (np.float32(theta), np.float32(theta * lambda_), np.float32(tau / theta))
    changes = np.zeros(stages, np.float32)
    for _ in range(4):
        expected = [iterate_literally(planes, theta, lambda_, tau) for _ in range(stages)]
        sweep(f, layout.plane, layout.origin, *size, layout.stride, stages, *limits, changes)
        np.testing.assert_allclose(changes, expected, rtol=1e-3)
    for i in (U, V, PUX, PUY, PVX, PVY):
        np.testing.assert_allclose(layout.view(f, i), planes[i], atol=2e-3)


# --- when to stop


def test_a_sweep_never_outlasts_the_stopping_rule() -> None:
    """Whatever the limit, the flow is that of one iteration after the other, the rule asked after each."""
    whole, redone = texture(52, 68), 0
    a, b = whole[2:-2, 2:-2].astype(np.uint8), whole[1:-3, 3:-1].astype(np.uint8)
    for epsilon in np.geomspace(0.002, 0.02, 40):
        config = dataclasses.replace(paper(), epsilon=float(epsilon))
        several, one = Counting(config, size=(48, 64)), FusedTvL1(config, size=(48, 64), max_stages=1)
        np.testing.assert_array_equal(several(a, b), one(a, b))
        redone += several.num_solved - several.num_levels
    assert redone > 0  # so the way back is walked, too


class Counting(FusedTvL1):
    """Counts the levels that it solves, those done again too."""

    num_solved = 0

    def _solve(self, level: Any, stages: int) -> bool:
        self.num_solved += 1
        return super()._solve(level, stages)

    @property
    def num_levels(self) -> int:
        return len(self._levels)


@pytest.mark.parametrize("done", range(8))
def test_how_many_iterations_may_share_a_sweep(done: int) -> None:
    """Just so many that all but the last are above the limit, should each keep the least share of the one before."""
    for before in np.geomspace(0.1, 1000, 40):
        found = stages_ahead(done, MAX_STAGES, np.float32(before), np.float32(1))
        shares = [LEAST_KEPT[min(done + k, len(LEAST_KEPT) - 1)] for k in range(MAX_STAGES)]
        left = before * np.cumprod(shares)
        assert 1 <= found <= MAX_STAGES
        assert (left[: found - 1] > 1).all()
        assert found == MAX_STAGES or left[found - 1] <= 1


# --- the whole, against OpenCV and against ground truth


@pytest.mark.parametrize("size", [(16, 16), (37, 53), (61, 40), (48, 96)])
def test_agrees_with_opencv_at_any_size(size: tuple[int, int]) -> None:
    first = texture(size[0] + 4, size[1] + 4)
    a, b = first[2:-2, 2:-2].astype(np.uint8), first[1:-3, 3:-1].astype(np.uint8)
    for config in (paper(), fast(), dataclasses.replace(paper(), median_size=0, inner_iterations=7)):
        difference = FusedTvL1(config, size=size)(a, b) - OpenCvTvL1(config)(a, b)
        assert np.linalg.norm(difference, axis=2).mean() < 0.02


@pytest.mark.parametrize("name", ["RubberWhale", "Dimetrodon", "Venus", "Walking", "DogDance"])
def test_agrees_with_opencv_on_real_pairs(test_data: Path, name: str) -> None:
    folder = test_data / "flow_gt/middlebury" / name
    pair = read_pair(folder)
    flow = FusedTvL1(paper(), size=(pair.first.shape[0], pair.first.shape[1]))(pair.first, pair.second)
    reference = np.load(folder / "tvl1_opencv_default.npz")["flow"].astype(np.float32)
    assert np.linalg.norm(flow - reference, axis=2).mean() < 0.02


@pytest.mark.parametrize("name", ["RubberWhale", "Dimetrodon", "Venus", "Urban2"])
def test_is_as_right_as_opencv(test_data: Path, name: str) -> None:
    folder = test_data / "flow_gt/middlebury" / name
    pair = read_pair(folder)
    assert pair.truth is not None
    size = (pair.first.shape[0], pair.first.shape[1])
    reference = end_point_error_px(np.load(folder / "tvl1_opencv_default.npz")["flow"].astype(np.float32), pair.truth)
    exact = end_point_error_px(FusedTvL1(paper(), size=size)(pair.first, pair.second), pair.truth)
    quick = end_point_error_px(FusedTvL1(fast(), size=size)(pair.first, pair.second), pair.truth)
    assert exact == pytest.approx(reference, rel=0.02)
    assert quick < reference + 0.06


def test_what_the_kernels_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="median"):
        FusedTvL1(dataclasses.replace(paper(), median_size=3), size=(32, 32))
    with pytest.raises(ConfigInvalid, match="engine is for"):
        FusedTvL1(paper(), size=(32, 32))(np.zeros((32, 40), np.uint8), np.zeros((32, 40), np.uint8))
