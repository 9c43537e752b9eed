"""What a body does over time, written as a choreographer would: where the feet are, how the trunk and arms turn.

Axes: x to the person's left, y up, z forward; metres and degrees. T frames; side 0 is left, side 1 is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet.body import Body

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Motion:
    """Controls of a body in each frame; angles in degrees, zero is standing upright with hanging arms."""

    pelvis: Array
    """(T, 3) middle of the hips, metres."""
    pelvis_turn: Array
    """(T, 3) forward tilt, lean to the right, turn to the left."""
    spine_turn: Array
    """(T, 3) the same three of the chest, relative to the pelvis."""
    neck_turn: Array
    """(T, 3) the same three of the head, relative to the chest."""
    arm_flex: Array
    """(T, 2) upper arm forward and up."""
    arm_abduct: Array
    """(T, 2) upper arm sideways and up."""
    arm_rotate: Array
    """(T, 2) outward rotation of the upper arm about itself."""
    elbow: Array
    """(T, 2) flexion of the elbow, 0 is straight."""
    ball: Array
    """(T, 2, 3) ball of the foot, metres; y = 0 on the ground."""
    foot_pitch: Array
    """(T, 2) toes up."""
    foot_out: Array
    """(T, 2) toes outward; knees point the same way."""


def neutral(num_frames: int, body: Body, *, stance: float = 1.2) -> Motion:
    """Standing at ease, the feet `stance` hip widths apart."""
    zeros = np.zeros((num_frames, 2))
    pelvis = np.zeros((num_frames, 3))
    pelvis[:, 1] = body.standing
    ball = np.zeros((num_frames, 2, 3))
    ball[:, 0, 0], ball[:, 1, 0] = body.hip_half * stance, -body.hip_half * stance
    ball[:, :, 2] = body.ball_forward * 0.9
    turn = np.zeros((num_frames, 3))
    return Motion(
        pelvis=pelvis, pelvis_turn=turn.copy(), spine_turn=turn.copy(), neck_turn=turn.copy(),
        arm_flex=zeros + 2, arm_abduct=zeros + 9, arm_rotate=zeros.copy(), elbow=zeros + 14,
        ball=ball, foot_pitch=zeros.copy(), foot_out=zeros + 10,
    )  # fmt: skip


def keyed(phase: Array, keys: Sequence[tuple[float, float]]) -> Array:
    """Values at `phase`, eased (zero slope at each key) between (phase, value) keys in ascending order."""
    at = np.array([key for key, _ in keys])
    values = np.array([value for _, value in keys])
    left = np.clip(np.searchsorted(at, phase, side="right") - 1, 0, len(at) - 2)
    share = np.clip((phase - at[left]) / (at[left + 1] - at[left]), 0.0, 1.0)
    eased = (1 - np.cos(np.pi * share)) / 2
    return values[left] + (values[left + 1] - values[left]) * eased
