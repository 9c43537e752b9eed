"""How good poses and action labels are. Source: paper sections 4.2 and 4.3.

PCP scores limbs, PDJ joints by the torso, PCK joints by a stated size. Each takes a `fraction` and is inclusive (<=).
Sources: PDJ and strict PCP as in the paper's tables 1 and 2 (Sapp and Taskar 2013); PCK, Yang and Ramanan 2013: within
a fraction of the longer side of the person's bounding box.
Only labelled joints count; a rate over nothing is nan.

Axes: N people or samples, K joints, L limbs, C classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pfa_core.skeleton import JointSet

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def pdj(predicted_px: Floats, true_px: Floats, labelled: Flags, *, torso_px: Floats, fraction: float) -> Floats:
    """Percentage of Detected Joints: within `fraction` of the torso diameter.

    Args:
        predicted_px: (N, K, 2).
        true_px: (N, K, 2).
        labelled: (N, K).
        torso_px: (N,) torso diameters; people without a positive one do not count.
        fraction: of the torso diameter; the paper reports 0.1 to 0.4.

    Returns:
        (K,) rates in [0, 1], nan where a joint is never labelled.
    """
    return pck(predicted_px, true_px, labelled, size_px=torso_px, fraction=fraction)


def pck(predicted_px: Floats, true_px: Floats, labelled: Flags, *, size_px: Floats, fraction: float) -> Floats:
    """Percentage of Correct Keypoints: within `fraction` of a size of each person, such as the person box's side.

    Shapes as in `pdj`, `size_px` (N,).
    """
    hit, counted = joint_hits(predicted_px, true_px, labelled, size_px=size_px, fraction=fraction)
    return rate(hit.sum(axis=0), counted.sum(axis=0))


def joint_hits(
    predicted_px: Floats, true_px: Floats, labelled: Flags, *, size_px: Floats, fraction: float
) -> tuple[Flags, Flags]:
    """(N, K) which joints are found, and (N, K) which count."""
    counted = labelled & (size_px > 0)[:, None]  # nan > 0 is False
    distance_px = np.linalg.norm(predicted_px - true_px, axis=-1)
    return counted & (distance_px <= fraction * size_px[:, None]), counted


def pcp(
    predicted_px: Floats, true_px: Floats, labelled: Flags, *, limbs: Sequence[tuple[int, int]], fraction: float = 0.5
) -> Floats:
    """Strict Percentage of Correct Parts: both ends within `fraction` of the true limb's length of their truth.

    Args:
        predicted_px: (N, K, 2).
        true_px: (N, K, 2).
        labelled: (N, K); a limb counts where both of its joints are labelled.
        limbs: L pairs of joint indices.
        fraction: of the limb's true length.

    Returns:
        (L,) rates in [0, 1], nan where a limb is never labelled.
    """
    hit, counted = limb_hits(predicted_px, true_px, labelled, limbs=limbs, fraction=fraction)
    return rate(hit.sum(axis=0), counted.sum(axis=0))


def limb_hits(
    predicted_px: Floats, true_px: Floats, labelled: Flags, *, limbs: Sequence[tuple[int, int]], fraction: float = 0.5
) -> tuple[Flags, Flags]:
    """(N, L) which limbs are found, and (N, L) which count."""
    starts, ends = [start for start, _ in limbs], [end for _, end in limbs]
    reach_px = fraction * np.linalg.norm(true_px[:, starts] - true_px[:, ends], axis=-1)  # (N, L)
    distance_px = np.linalg.norm(predicted_px - true_px, axis=-1)  # (N, K)
    counted = labelled[:, starts] & labelled[:, ends]
    return counted & (distance_px[:, starts] <= reach_px) & (distance_px[:, ends] <= reach_px), counted


def torso_diameters(true_px: Floats, labelled: Flags, *, joints: JointSet) -> Floats:
    """(N,) px from left shoulder to right hip; nan where either is not labelled or not in the joint set."""
    if not {"left_shoulder", "right_hip"} <= set(joints.names):
        return np.full(len(true_px), np.nan)
    shoulder, hip = joints.index("left_shoulder"), joints.index("right_hip")
    diameter_px = np.linalg.norm(true_px[:, shoulder] - true_px[:, hip], axis=-1)
    return np.where(labelled[:, shoulder] & labelled[:, hip], diameter_px, np.nan)


def topk_hits(probabilities: Floats, true: NDArray[np.int64], *, k: int) -> Flags:
    """(N, C) probabilities and (N,) true classes -> (N,) whether the true class is among the k most likely.

    Of equally likely classes the first comes first, so that k = 1 is what `argmax` answers.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((order == true[:, None]).any(axis=1))


def confusion(predicted: NDArray[np.int64], true: NDArray[np.int64], *, num_labels: int) -> NDArray[np.int64]:
    """(C, C) counts: row the true class, column the predicted one."""
    table = np.zeros((num_labels, num_labels), dtype=np.int64)
    np.add.at(table, (true, predicted), 1)
    return table


def rate(hits: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """hits / counts, nan where nothing counts."""
    return np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
