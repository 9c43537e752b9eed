"""Batches of pose samples: a picture and its joints stay together."""

from pathlib import Path

import numpy as np
import torch

from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.pose_batches import PoseBatches, mirror
from pfa_core.pose_samples import cut_people
from pfa_core.progress import run_to_end
from tests.unit.pfa_core.pictures import JOINTS, dotted_people


def config(*, flip: bool = False) -> PoseConfig:
    return PoseConfig(
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch"),
        learn=LearnConfig(
            batch_size=8, steps=1, learning_rate=0.2, validate_every_steps=1000, checkpoint_every_steps=1000
        ),
        flip=flip,
    )


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
