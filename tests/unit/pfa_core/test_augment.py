"""Changes of crops: the pixels go where the points go, within the bounds, and nothing is shown that need not be."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pfa_core.augment import change_crops, change_points, draw_changes
from pfa_core.config.augment import AugmentConfig
from pfa_core.config.pose import paper
from pfa_core.crops import in_crop
from pfa_core.errors import ConfigInvalid

CROP_PX = 64
WILD = AugmentConfig(scale=0.4, rotation_deg=60, translation=0.2)


def drawn(
    config: AugmentConfig, *, count: int = 400, seed: int = 0, margin_px: int | None = None
) -> NDArray[np.float64]:
    margin_px = config.margin_px(CROP_PX) if margin_px is None else margin_px
    rng = np.random.default_rng(seed)
    return draw_changes(config, count=count, canvas_px=CROP_PX + 2 * margin_px, crop_px=CROP_PX, rng=rng)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_dot_lands_where_its_joint_does(seed: int) -> None:
    side = CROP_PX + 2 * WILD.margin_px(CROP_PX)
    change = drawn(WILD, count=1, seed=seed)
    point = np.random.default_rng(seed).uniform(side / 2 - 20, side / 2 + 20, 2)
    rows, columns = np.indices((side, side))
    bump = 250 * np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * 2.0**2))
    canvas = np.repeat(np.rint(bump).astype(np.uint8)[..., None], 3, axis=2)
    crop = change_crops(canvas[None], change, crop_px=CROP_PX)[0, ..., 0].astype(np.float64)
    expected = change_points(point[None, None].astype(np.float32), change)[0, 0]
    assume((np.abs(expected - (CROP_PX - 1) / 2) < CROP_PX / 2 - 12).all())  # else the bump is cut off
    ys, xs = np.indices(crop.shape)
    found = [(crop * xs).sum() / crop.sum(), (crop * ys).sum() / crop.sum()]
    np.testing.assert_allclose(found, expected, atol=0.15)


def test_points_equal_the_literal_formula() -> None:
    """Turned by the angle, made larger about the canvas's centre, put at the crop's centre plus the shift."""
    rng = np.random.default_rng(3)
    count, side = 5, CROP_PX + 2 * WILD.margin_px(CROP_PX)
    changes = draw_changes(WILD, count=count, canvas_px=side, crop_px=CROP_PX, rng=np.random.default_rng(9))
    points = rng.uniform(0, side, (count, 4, 2)).astype(np.float32)
    points[0, 0] = np.nan
    again = np.random.default_rng(9)
    factors = 1.4 ** again.uniform(-1, 1, count)
    angles = math.radians(60) * again.uniform(-1, 1, count)
    shifts = 0.2 * CROP_PX * again.uniform(-1, 1, (count, 2))
    found = change_points(points, changes)
    assert np.isnan(found[0, 0]).all()
    for b in range(count):
        for k in range(4):
            if (b, k) == (0, 0):
                continue
            x, y = (float(part) - (side - 1) / 2 for part in points[b, k])
            radius, bearing = math.hypot(x, y) * factors[b], math.atan2(y, x) + angles[b]
            expected_x = radius * math.cos(bearing) + (CROP_PX - 1) / 2 + shifts[b, 0]
            expected_y = radius * math.sin(bearing) + (CROP_PX - 1) / 2 + shifts[b, 1]
            assert found[b, k] == pytest.approx([expected_x, expected_y], abs=1e-3)


def test_changes_fill_their_bounds() -> None:
    changes = drawn(WILD)
    factors = np.sqrt(np.linalg.det(changes[..., :2]))
    angles = np.degrees(np.arctan2(changes[:, 1, 0], changes[:, 0, 0]))
    middle = np.full((1, 1, 2), (CROP_PX + 2 * WILD.margin_px(CROP_PX) - 1) / 2, dtype=np.float32)
    shifts = change_points(np.repeat(middle, len(changes), axis=0), changes)[:, 0] - (CROP_PX - 1) / 2
    for values, bound in ((np.log(factors), math.log(1.4)), (angles, 60), (shifts, 0.2 * CROP_PX)):
        assert np.abs(values).max() <= bound * (1 + 1e-4)
        assert values.min() < -0.95 * bound
        assert values.max() > 0.95 * bound
        assert abs(np.mean(values)) < 0.15 * bound


@pytest.mark.parametrize(
    "config",
    [WILD, AugmentConfig(rotation_deg=20), AugmentConfig(rotation_deg=180), AugmentConfig(scale=1, translation=0.5)],
)
def test_the_margin_is_as_wide_as_the_widest_change_needs(config: AugmentConfig) -> None:
    """With it no crop shows grey; with a sixth less, some do."""
    margin_px = config.margin_px(CROP_PX)
    for share, grey in ((1.0, False), (5 / 6, True)):
        side = CROP_PX + 2 * int(share * margin_px)
        changes = drawn(config, count=600, margin_px=int(share * margin_px))
        canvas = np.full((side, side, 3), 255, dtype=np.uint8)
        crops = change_crops(np.broadcast_to(canvas, (600, *canvas.shape)), changes, crop_px=CROP_PX)
        assert (crops.min() < 255) == grey


def test_no_change_leaves_the_middle_of_the_canvas() -> None:
    off = AugmentConfig()
    assert not off.moves
    assert off.margin_px(CROP_PX) == 0
    canvas = np.random.default_rng(0).integers(0, 256, (2, CROP_PX + 20, CROP_PX + 20, 3), dtype=np.uint8)
    crops = change_crops(canvas, drawn(off, count=2, margin_px=10), crop_px=CROP_PX)
    np.testing.assert_array_equal(crops, canvas[:, 10:-10, 10:-10])


def test_points_of_a_crop_lie_on_its_pixels() -> None:
    edge = CROP_PX - 0.5
    points = np.array([[-0.5, 0], [0, -0.51], [edge - 0.01, 3], [3, edge], [np.nan, 1], [5, 5]])
    assert in_crop(points, crop_px=CROP_PX).tolist() == [True, False, True, False, False, True]


@pytest.mark.parametrize(
    "values", [{"scale": -0.1}, {"scale": 1.1}, {"rotation_deg": 181}, {"translation": 0.6}, {"colours": math.nan}]
)
def test_what_makes_no_sense_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(values))):
        AugmentConfig(**values)


def test_the_paper_changes_nothing() -> None:
    assert paper().augment == AugmentConfig()
    assert not paper().flip


def test_warping_writes_into_the_row_it_is_given() -> None:
    """OpenCV makes a new array where the one it is given does not suit; then rows would stay as they were."""
    rows = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    answer = cv2.warpAffine(np.full((8, 8, 3), 7, np.uint8), np.eye(2, 3), (8, 8), dst=rows[1])
    assert (rows[1] == 7).all()
    assert (answer == 7).all()
