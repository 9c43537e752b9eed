"""Figures: what must be visible in them is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pfa_core.config.net import NetConfig
from pfa_core.crops import box_crop
from pfa_core.errors import ModelUnsuitable
from pfa_core.figures import (
    closest_pairs,
    curves_png,
    false_colour,
    filters_png,
    fitted,
    grid,
    heatmap_png,
    overlay,
    pairs_png,
)
from pfa_core.images import read_image
from pfa_core.nets.pose import PoseNet
from pfa_core.predict import PosePrediction
from pfa_core.skeleton import JointSet

ARM = JointSet(("left_shoulder", "left_elbow", "left_wrist"))


def pose(
    points: list[tuple[float, float]],
    *,
    scores: tuple[float, ...] = (1, 1, 1),
    visible: tuple[bool, ...] | None = None,
    cells: int = 30,
) -> PosePrediction:
    crop = box_crop(None, size=(120, 120), crop_px=60)
    heatmaps = np.full((len(points), cells, cells), -1, dtype=np.float32)
    for k, (x, y) in enumerate(points):
        heatmaps[k, int(y * cells / 120), int(x * cells / 120)] = 1
    return PosePrediction(
        joints=ARM,
        keypoints_px=np.array(points, dtype=np.float32),
        scores=np.array(scores, dtype=np.float32),
        visible=None if visible is None else np.array(visible),
        heatmaps=heatmaps,
        cells_to_image=crop.cells_to_image(cells),
        crop=crop,
    )


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (before.astype(int) != after).any(axis=-1)


def read(png: bytes) -> NDArray[np.uint8]:
    return read_image(png, max_pixels=10**8)


def test_filters_show_each_filter() -> None:
    net = PoseNet(NetConfig(width=1 / 12, crop_px=64), 1)  # 8 filters
    with torch.no_grad():
        net.layers.conv1.conv.weight.zero_()
        net.layers.conv1.conv.weight[0, 0] = 1.0  # red
        net.layers.conv1.conv.weight[1, 2] = -5.0  # no blue: yellowish
    sheet = read(filters_png(net, cell_px=14))
    np.testing.assert_array_equal(sheet[10, 10], [255, 128, 128])
    np.testing.assert_array_equal(sheet[10, 10 + 17], [128, 128, 0])
    np.testing.assert_array_equal(sheet[10, 10 + 34], [128, 128, 128])
    with pytest.raises(ModelUnsuitable):
        filters_png(nn.Linear(2, 2))


def test_skeleton_is_drawn_where_the_joints_are() -> None:
    image = np.full((120, 120, 3), 90, dtype=np.uint8)
    drawn = overlay(image, pose([(20, 20), (60, 20), (60, 90)]), heatmaps=False)
    touched = changed(image, drawn)
    for x, y in [(20, 20), (40, 20), (60, 20), (60, 55), (60, 90)]:  # joints and the middles of both limbs
        assert touched[y, x]
    assert touched.mean() < 0.1
    assert (image == 90).all()


def test_weak_joints_and_their_limbs_are_left_out() -> None:
    image = np.full((120, 120, 3), 90, dtype=np.uint8)
    drawn = overlay(image, pose([(20, 20), (60, 20), (60, 90)], scores=(1, 1, 0.1)), heatmaps=False, min_score=0.5)
    touched = changed(image, drawn)
    assert touched[20, 40]
    assert not touched[40:].any()


def test_joints_that_are_not_visible_are_hollow() -> None:
    image = np.full((480, 480, 3), 90, dtype=np.uint8)  # strokes are twice as wide as on 256 px
    found = pose([(20, 20), (60, 20), (60, 90)], visible=(True, True, False))
    found = replace(found, keypoints_px=4 * found.keypoints_px, crop=box_crop(None, size=(480, 480), crop_px=60))
    touched = changed(image, overlay(image, found, heatmaps=False))
    assert touched[80, 80]
    assert touched[80, 240]
    assert not touched[358:363, 238:243].any()  # the limb does not show within the ring either
    ring = [(x, 360) for x in (234, 246)] + [(240, 366)]
    assert all(touched[y, x] for x, y in ring)


def test_glow_is_where_the_heatmap_is() -> None:
    image = np.full((120, 120, 3), 90, dtype=np.uint8)
    bare = pose([(30, 80), (30, 80), (30, 80)], scores=(0, 0, 0))
    touched = changed(image, overlay(image, bare, min_score=0.5))
    rows, columns = np.nonzero(touched)
    assert (columns.mean(), rows.mean()) == (pytest.approx(29.5, abs=2.5), pytest.approx(81.5, abs=2.5))


def test_joints_far_outside_do_no_harm() -> None:
    image = np.zeros((120, 120, 3), dtype=np.uint8)
    points = pose([(5, 5), (60, 20), (60, 90)])
    points.keypoints_px[0] = (-1e9, 1e9)
    assert overlay(image, points).shape == image.shape


def test_false_colour_rises_in_brightness() -> None:
    ramp = np.linspace(-1, 1, 9, dtype=np.float32)[None]
    luma = false_colour(ramp)[0].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(luma) > 0).all()


def test_closest_pairs_are_not_oneself() -> None:
    features = np.array([[0, 0], [3, 4], [3, 5], [100, 0]], dtype=np.float32)
    found = closest_pairs(features, chosen=[0, 1, 3])
    assert [pair[:2] for pair in found] == [(0, 1), (1, 2), (3, 1)]
    assert [pair[2] for pair in found] == pytest.approx([5.0, 1.0, np.hypot(97, 4)])


def test_sheets_have_room_for_all() -> None:
    tiles = [np.full((4, 6, 3), n, dtype=np.uint8) for n in range(5)]
    sheet = grid(tiles, columns=2, gap_px=1)
    assert sheet.shape == (16, 15, 3)
    assert sheet[11, 1].tolist() == [4, 4, 4]
    wide = fitted(np.zeros((10, 40, 3), dtype=np.uint8), 20)
    assert (wide == 0).all(axis=-1).sum() == 5 * 20


def test_every_png_reads() -> None:
    image = np.zeros((40, 30, 3), dtype=np.uint8)
    pairs = read(pairs_png([(image, image, 1.234), (image, image, 5.6), (image, image, 7.8)], side_px=64))
    assert pairs.shape == (2 * (64 + 20) + 30, 2 * 128 + 30, 3)
    history = [{"step": s, "loss": 1 / s, "learning_rate": 0.1} for s in range(1, 5)]
    history[-1]["val_accuracy"] = 0.5
    for png in (
        curves_png(history, title="run"),
        curves_png([]),
        heatmap_png(pose([(1, 1)] * 3).heatmaps, ARM),
    ):
        assert read(png).std() > 1
