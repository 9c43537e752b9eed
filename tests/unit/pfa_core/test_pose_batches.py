"""Batches of pose samples: a picture and its joints stay together."""

from pathlib import Path

import numpy as np
import torch

from pfa_core.config.augment import AugmentConfig
from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.pose_batches import PoseBatches, mirror
from pfa_core.pose_samples import PoseSamples, cut_people
from pfa_core.progress import run_to_end
from tests.unit.pfa_core.pictures import JOINTS, dotted_people

WILD = AugmentConfig(scale=0.2, rotation_deg=40, translation=0.1)
ODD = AugmentConfig(translation=0.5)
SHINES = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=bool)
"""Which of red, green and blue each joint's dot has."""


def config(*, flip: bool = False, augment: AugmentConfig = AugmentConfig()) -> PoseConfig:
    return PoseConfig(
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch"),
        learn=LearnConfig(
            batch_size=8, steps=1, learning_rate=0.2, validate_every_steps=1000, checkpoint_every_steps=1000
        ),
        flip=flip,
        augment=augment,
    )


def canvases(folder: Path, augment: AugmentConfig, *, count: int = 16) -> PoseSamples:
    """Crops as wide as the recipe cuts them for these changes."""
    cut = cut_people(
        dotted_people(folder, count), joints=JOINTS, torso_scale=3, crop_px=64, margin_px=augment.margin_px(64)
    )
    return run_to_end(cut, lambda _: None)[0]


def test_mirror_exchanges_sides_and_undoes_itself() -> None:
    twins = np.array(JOINTS.mirrored)
    points = np.random.default_rng(0).uniform(0, 63, (3, 5, 2)).astype(np.float32)
    once = mirror(points, side_px=64, twins=twins)
    np.testing.assert_allclose(once[:, 1, 0], 63 - points[:, 2, 0])  # left shoulder <- right shoulder
    np.testing.assert_allclose(once[:, 0, 1], points[:, 0, 1])
    np.testing.assert_allclose(mirror(once, side_px=64, twins=twins), points, atol=1e-5)


def test_flipped_batches_keep_the_picture_and_its_joints_together(tmp_path: Path) -> None:
    """In every sample, flipped or not, the pixel at the nose is white, where the dot of the nose is."""
    samples, _ = run_to_end(
        cut_people(dotted_people(tmp_path, 6), joints=JOINTS, torso_scale=3, crop_px=64), lambda _: None
    )
    batches = PoseBatches(samples, joints=JOINTS, config=config(flip=True), seed=5)
    batch, plain = batches(0), PoseBatches(samples, joints=JOINTS, config=config(), seed=5)(0)
    flipped = (batch.crops_u8 != plain.crops_u8).flatten(1).any(dim=1)
    assert flipped.any()
    assert not flipped.all()
    for crop, points in zip(batch.crops_u8, batch.keypoints_px, strict=True):
        x, y = (int(part) for part in points[0].round())
        assert crop[:, y, x].min() > 180
    again = batches(0)
    assert torch.equal(batch.crops_u8, again.crops_u8)
    assert torch.equal(batch.keypoints_px, again.keypoints_px)


def test_turned_and_flipped_batches_keep_every_dot_under_its_joint(tmp_path: Path) -> None:
    """A dot has the colour of its joint; in a mirrored sample left and right have exchanged their colours."""
    batches = PoseBatches(canvases(tmp_path, WILD), joints=JOINTS, config=config(flip=True, augment=WILD), seed=2)
    both = {True: 0, False: 0}
    for step in range(4):
        batch = batches(step)
        for crop, points, labelled in zip(batch.crops_u8, batch.keypoints_px, batch.labelled, strict=True):
            inner = [k for k in range(5) if labelled[k] and ((points[k] >= 1) & (points[k] <= 62)).all()]
            seen = {k: crop[:, int(points[k, 1].round()), int(points[k, 0].round())].numpy() > 140 for k in inner}
            if 0 in seen:
                assert seen[0].all()  # the nose is white
            for mirrored in (True, False):
                twins = JOINTS.mirrored if mirrored else range(5)
                if all((seen[k] == SHINES[twins[k]]).all() for k in seen):
                    both[mirrored] += bool(len(seen) > 2)
                    break
            else:
                raise AssertionError(f"colours {seen} of no side")
    assert min(both.values()) > 5


def test_batches_depend_on_samples_seed_and_step_alone(tmp_path: Path) -> None:
    samples = canvases(tmp_path, WILD)
    first = PoseBatches(samples, joints=JOINTS, config=config(flip=True, augment=WILD), seed=2)
    expected = [first(step) for step in range(3)]
    second = PoseBatches(samples, joints=JOINTS, config=config(flip=True, augment=WILD), seed=2)
    for step in (2, 0, 1):
        again = second(step)
        assert torch.equal(again.crops_u8, expected[step].crops_u8)
        assert torch.equal(again.keypoints_px, expected[step].keypoints_px)
        assert torch.equal(again.labelled, expected[step].labelled)
    other = PoseBatches(samples, joints=JOINTS, config=config(flip=True, augment=WILD), seed=3)(0)
    assert not torch.equal(other.keypoints_px, expected[0].keypoints_px)


def test_a_joint_that_leaves_the_crop_is_not_labelled(tmp_path: Path) -> None:
    batch = PoseBatches(canvases(tmp_path, ODD), joints=JOINTS, config=config(augment=ODD), seed=0)(0)
    inside = ((batch.keypoints_px >= -0.5) & (batch.keypoints_px < 63.5)).all(dim=-1)
    assert torch.equal(batch.labelled, inside)
    assert 0 < int(inside.sum()) < inside.numel()


def test_the_middle_of_a_canvas_is_the_crop(tmp_path: Path) -> None:
    wide, plain = canvases(tmp_path, WILD, count=3), canvases(tmp_path, AugmentConfig(), count=3)
    margin = WILD.margin_px(64)
    middle = wide.crops_u8[:, margin:-margin, margin:-margin]
    assert np.abs(middle.astype(int) - plain.crops_u8).mean() < 2  # of 255: they were shrunk apart
    np.testing.assert_allclose(wide.in_crop_px(), plain.in_crop_px() + margin, atol=1e-3)
