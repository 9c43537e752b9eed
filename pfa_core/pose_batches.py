"""The batches that a pose finetuning run learns from.

Axes: B batch, K joints, S side of a crop in px.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.augment import change_crops, change_points, draw_changes
from pfa_core.config.pose import PoseConfig
from pfa_core.crops import in_crop
from pfa_core.pose_samples import PoseSamples
from pfa_core.seeds import generator
from pfa_core.skeleton import JointSet
from pfa_core.splits import epoch_items


@dataclass(frozen=True, slots=True)
class PoseBatch:
    """What one step learns from."""

    crops_u8: Tensor
    """(B, 3, S, S) uint8."""
    keypoints_px: Tensor
    """(B, K, 2) float32, crop px."""
    labelled: Tensor
    """(B, K) bool."""


class PoseBatches:
    """The batches of a run: a pure function of (samples, seed, step)."""

    def __init__(self, samples: PoseSamples, *, joints: JointSet, config: PoseConfig, seed: int) -> None:
        self._samples = samples
        self._keypoints_px = samples.in_crop_px()  # of canvases, where crops are changed: see `pfa_core.augment`
        self._twins = np.array(joints.mirrored)
        self._config = config
        self._seed = seed

    def __call__(self, step: int) -> PoseBatch:
        """The batch of step 0, 1, ...; with `flip`, a random half of it is mirrored; then `augment` changes it."""
        count = self._config.learn.batch_size
        chosen = epoch_items(step, num_items=len(self._samples), batch_size=count, seed=self._seed)
        crops_u8 = self._samples.crops_u8[chosen]  # (B, S, S, 3), a copy
        keypoints_px, labelled = self._keypoints_px[chosen], self._samples.labelled[chosen]
        if self._config.flip:
            mirrored = generator(self._seed, 2, step).random(count) < 0.5
            crops_u8[mirrored] = crops_u8[mirrored, :, ::-1]
            keypoints_px[mirrored] = mirror(keypoints_px[mirrored], side_px=crops_u8.shape[1], twins=self._twins)
            labelled[mirrored] = labelled[mirrored][:, self._twins]
        if self._config.augment.moves:
            crops_u8, keypoints_px = self._changed(crops_u8, keypoints_px, rng=generator(self._seed, 3, step))
            labelled &= in_crop(keypoints_px, crop_px=self._config.net.crop_px)
        return PoseBatch(
            torch.from_numpy(crops_u8).permute(0, 3, 1, 2), torch.from_numpy(keypoints_px), torch.from_numpy(labelled)
        )

    def _changed(
        self, canvases_u8: NDArray[np.uint8], keypoints_px: NDArray[np.float32], *, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Crops cut out of canvases as `augment` says, and the keypoints in these."""
        count, canvas_px = canvases_u8.shape[:2]
        crop_px = self._config.net.crop_px
        changes = draw_changes(self._config.augment, count=count, canvas_px=canvas_px, crop_px=crop_px, rng=rng)
        return change_crops(canvases_u8, changes, crop_px=crop_px), change_points(keypoints_px, changes)


def mirror(keypoints_px: NDArray[np.float32], *, side_px: int, twins: NDArray[np.int64]) -> NDArray[np.float32]:
    """Keypoints of a mirrored crop: x runs the other way, left joints become right ones.

    Args:
        keypoints_px: (B, K, 2) crop px.
        twins: (K,) index of each joint's twin, `JointSet.mirrored`.
    """
    swapped = keypoints_px[:, twins].copy()
    swapped[..., 0] = side_px - 1 - swapped[..., 0]
    return swapped
