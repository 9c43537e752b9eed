"""Crops: maps both ways, what is cut where, and which region a person gets."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pfa_core.crops import GREY, PersonCrop, box_crop, corner_crops, corner_places, person_crop, scale_short_side
from pfa_core.errors import BoxOutsideImage, DatasetUnsuitable
from pfa_core.people import Box, Person, Point


def _person(joints: dict[str, Point] | None = None, torso: Box | None = None, box: Box | None = None) -> Person:
    return Person(image=Path("a.jpg"), joints=joints or {}, torso_box=torso, person_box=box)


def _dot(x: int, y: int, *, size: tuple[int, int] = (200, 300), radius: int = 6) -> NDArray[np.uint8]:
    image = np.zeros((*size, 3), dtype=np.uint8)
    return np.asarray(cv2.circle(image, (x, y), radius, (255, 255, 255), -1), dtype=np.uint8)


def _centroid(image: NDArray[np.uint8]) -> tuple[float, float]:
    bright = image[..., 0].astype(np.float64)
    bright[bright < 128] = 0
    rows, columns = np.indices(bright.shape)
    return float((bright * columns).sum() / bright.sum()), float((bright * rows).sum() / bright.sum())


@given(
    left=st.floats(-500, 500),
    side=st.floats(1, 3000),
    crop_px=st.sampled_from([64, 128, 256]),
    point=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
)
def test_maps_undo_each_other(left: float, side: float, crop_px: int, point: tuple[float, float]) -> None:
    crop = PersonCrop(left, -left / 2, side, crop_px)
    there = np.array([point])
    np.testing.assert_allclose(crop.to_image(crop.to_crop(there)), there, atol=1e-6)


@pytest.mark.parametrize("cells", [28, 60])
def test_cell_affine_maps_corners_to_the_regions_corners(cells: int) -> None:
    crop = PersonCrop(10.0, 20.0, 90.0, 128)
    affine = crop.cells_to_image(cells)
    first = affine @ np.array([-0.5, -0.5, 1.0])
    last = affine @ np.array([cells - 0.5, cells - 0.5, 1.0])
    np.testing.assert_allclose(first, [10.0, 20.0])
    np.testing.assert_allclose(last, [100.0, 110.0])


@settings(max_examples=40, deadline=None)
@given(x=st.integers(60, 240), y=st.integers(60, 140), side=st.floats(60, 700), crop_px=st.sampled_from([64, 128, 256]))
def test_a_dot_lands_where_the_map_says(x: int, y: int, side: float, crop_px: int) -> None:
    crop = PersonCrop(x - side / 2 + 3.3, y - side / 2 - 7.7, side, crop_px)
    cut = crop.cut(_dot(x, y, radius=max(6, round(4 * side / crop_px))))
    cut = np.where(cut == GREY, 0, cut).astype(np.uint8)
    expected = crop.to_crop(np.array([float(x), float(y)]))
    np.testing.assert_allclose(_centroid(cut), expected, atol=0.35)


def test_an_aligned_crop_of_equal_scale_is_the_slice_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    crop = PersonCrop(9.5, 19.5, 64.0, 64)  # pixels 10..73 and 20..83
    np.testing.assert_array_equal(crop.cut(image), image[20:84, 10:74])


def test_beyond_the_image_is_grey() -> None:
    image = np.full((50, 100, 3), 200, dtype=np.uint8)
    cut = box_crop(None, size=(50, 100), crop_px=100).cut(image)
    assert (cut[:24] == GREY).all()
    assert (cut[26:74] == 200).all()
    assert (cut[76:] == GREY).all()


def test_shrinking_does_not_alias() -> None:
    """A fine checkerboard shrunk 8 times is even grey, not a coarse pattern."""
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    cut = box_crop(None, size=(512, 512), crop_px=64).cut(image)
    assert np.abs(cut.astype(int) - 127.5).max() <= 2


def test_a_huge_region_costs_no_memory() -> None:
    cut = PersonCrop(-1e6, -1e6, 2e6 + 64, 128).cut(np.zeros((64, 64, 3), dtype=np.uint8))
    assert cut.shape == (128, 128, 3)


def test_the_callers_box_is_the_person_region() -> None:
    crop = box_crop((10, 20, 40, 80), size=(200, 300), crop_px=128)
    assert crop.side_px == 80
    np.testing.assert_allclose(crop.to_image(np.array([63.5, 63.5])), [29.5, 59.5])  # middle of pixels 10..49, 20..99


def test_a_box_is_clipped_to_the_image_first() -> None:
    crop = box_crop((-100, 50, 150, 20), size=(200, 300), crop_px=128)
    assert (crop.left_px, crop.side_px) == (-0.5, 50)


@pytest.mark.parametrize(
    "box", [(300, 0, 10, 10), (0, -50, 20, 50), (10, 10, 0, 5), (10, 10, -5, 5), (float("nan"), 0, 1, 1)]
)
def test_a_box_outside_is_refused(box: Box) -> None:
    with pytest.raises(BoxOutsideImage):
        box_crop(box, size=(200, 300), crop_px=128)


def test_torso_box_is_expanded_by_its_longer_side() -> None:
    crop = person_crop(_person(torso=(100, 50, 20, 40), box=(0, 0, 5, 5)), torso_scale=3, crop_px=128)
    assert crop.side_px == 120
    np.testing.assert_allclose(crop.to_image(np.array([63.5, 63.5])), [109.5, 69.5])


def test_torso_from_joints_when_there_is_no_box() -> None:
    joints: dict[str, Point] = {
        "left_shoulder": (10.0, 10.0, 2), "right_shoulder": (30.0, 12.0, 1), "right_hip": (28.0, 60.0, 2),
        "left_hip": (0.0, 0.0, 0), "nose": (500.0, 500.0, 2),
    }  # fmt: skip
    assert person_crop(_person(joints), torso_scale=2, crop_px=128).side_px == 100


def test_person_box_then_joints_then_nothing() -> None:
    joints: dict[str, Point] = {"nose": (0.0, 0.0, 2), "left_wrist": (40.0, 0.0, 2)}
    assert person_crop(_person(joints, box=(0, 0, 60, 90)), torso_scale=3, crop_px=128).side_px == 90
    assert person_crop(_person(joints), torso_scale=3, crop_px=128).side_px == 50
    with pytest.raises(DatasetUnsuitable, match="no torso box"):
        person_crop(_person({"nose": (0.0, 0.0, 2)}), torso_scale=3, crop_px=128)


def test_ten_crops_are_corners_centre_and_mirrors() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    crops = corner_crops(images, crop_px=16)
    assert crops.shape == (2, 10, 16, 16, 3)
    np.testing.assert_array_equal(crops[1, 0], images[1, :16, :16])
    np.testing.assert_array_equal(crops[1, 1], images[1, :16, 16:])
    np.testing.assert_array_equal(crops[1, 2], images[1, 8:, :16])
    np.testing.assert_array_equal(crops[1, 3], images[1, 8:, 16:])
    np.testing.assert_array_equal(crops[1, 4], images[1, 4:20, 8:24])
    np.testing.assert_array_equal(crops[:, 5:, :, ::-1], crops[:, :5])


@given(st.integers(64, 400), st.integers(64, 400))
def test_corners_are_within_3_px_of_the_edges(height: int, width: int) -> None:
    places = corner_places((height, width), crop_px=64)
    bottom, right = places[3]
    assert 0 <= height - 64 - bottom <= 3
    assert 0 <= width - 64 - right <= 3
    assert all(top % 4 == left % 4 == 0 for top, left in places)
    assert abs(places[4][0] - (height - 64) / 2) <= 4
    assert abs(places[4][1] - (width - 64) / 2) <= 4


@pytest.mark.parametrize(
    ("size", "expected"), [((120, 160), (128, 171)), ((400, 280), (183, 128)), ((128, 90), (182, 128))]
)
def test_short_side_is_exact(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert scale_short_side(np.zeros((*size, 3), dtype=np.uint8), 128).shape == (*expected, 3)
