"""Forward kinematics of the trunk and arms, inverse kinematics of the legs: from a motion to joints in space.

T frames. A rotation is (T, 3, 3); its columns are the part's axes (left, up, forward) in the world.
"""

from dataclasses import dataclass

import numpy as np

from pfa_core.puppet.body import Body
from pfa_core.puppet.motion import Array, Motion

SIDES = ("left", "right")
SIGN = (1.0, -1.0)
"""The side's direction along x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Joints and the frames of the parts that are not simple rods."""

    joints: dict[str, Array]
    """Name to (T, 3) metres: the joints of `pfa_core.skeleton.LSP`, `nose`, and inner ones (`pelvis`, `left_ball`)."""
    pelvis: Array
    chest: Array
    head: Array
    feet: tuple[Array, Array]


def about(axis: int, degrees: Array) -> Array:
    """(T,) degrees -> (T, 3, 3) rotation about x (0), y (1) or z (2), right-handed."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.zeros((*np.shape(degrees), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn[..., axis, axis] = 1.0
    turn[..., first, first] = turn[..., second, second] = cos
    turn[..., first, second], turn[..., second, first] = -sin, sin
    return turn


def _trunk(turn: Array) -> Array:
    """(T, 3) tilt forward, lean to the right, turn to the left -> (T, 3, 3)."""
    return about(1, turn[:, 2]) @ about(0, turn[:, 0]) @ about(2, turn[:, 1])


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def knee_between(hip: Array, ankle: Array, *, thigh: float, shank: float, forward: Array) -> tuple[Array, Array]:
    """The knee of a two-bone leg, bent towards `forward`, and the ankle, drawn in where it is out of reach.

    All points and directions are (T, 3).
    """
    line = ankle - hip
    length = np.linalg.norm(line, axis=1, keepdims=True)
    along = line / np.maximum(length, 1e-9)
    length = np.clip(length, abs(thigh - shank) + 1e-3, 0.9985 * (thigh + shank))
    bent = _unit(forward - np.sum(forward * along, axis=1, keepdims=True) * along)
    reach = (thigh**2 - shank**2 + length**2) / (2 * length)
    offset = np.sqrt(np.maximum(thigh**2 - reach**2, 0.0))
    return hip + along * reach + bent * offset, hip + along * length


def stand(motion: Motion, body: Body) -> Skeleton:
    """Joints in space of a body that carries out a motion. Limb lengths are the body's in every frame."""
    joints: dict[str, Array] = {"pelvis": motion.pelvis}
    pelvis = _trunk(motion.pelvis_turn)
    chest = pelvis @ _trunk(motion.spine_turn)
    head = chest @ _trunk(motion.neck_turn)
    # the spine bends in its middle: half of it follows the pelvis, half the chest
    joints["waist"] = motion.pelvis + pelvis[:, :, 1] * (0.42 * body.spine)
    joints["neck"] = joints["waist"] + chest[:, :, 1] * (0.58 * body.spine)
    joints["skull"] = joints["neck"] + head[:, :, 1] * body.neck + head[:, :, 2] * 0.012
    joints["head_top"] = joints["skull"] + head[:, :, 1] * body.head
    joints["nose"] = joints["skull"] + head[:, :, 1] * (0.42 * body.head) + head[:, :, 2] * (0.40 * body.head)
    feet = []
    for side, (name, sign) in enumerate(zip(SIDES, SIGN, strict=True)):
        _add_arm(joints, chest, motion, body, side=side)
        hip = motion.pelvis + pelvis[:, :, 0] * (sign * body.hip_half)
        aim = about(1, sign * motion.foot_out[:, side] + motion.pelvis_turn[:, 2] * 0.5)
        foot = aim @ about(0, -motion.foot_pitch[:, side])
        ankle = motion.ball[:, side] + foot @ np.array([0.0, body.ankle_height, -body.ball_forward])
        knee, ankle = knee_between(hip, ankle, thigh=body.thigh, shank=body.shank, forward=aim[:, :, 2])
        joints |= {f"{name}_hip": hip, f"{name}_knee": knee, f"{name}_ankle": ankle}
        joints[f"{name}_ball"] = ankle + foot @ np.array([0.0, -body.ankle_height, body.ball_forward])
        feet.append(foot)
    return Skeleton(joints=joints, pelvis=pelvis, chest=chest, head=head, feet=(feet[0], feet[1]))


def _add_arm(joints: dict[str, Array], chest: Array, motion: Motion, body: Body, *, side: int) -> None:
    name, sign = SIDES[side], SIGN[side]
    lift = np.clip((motion.arm_abduct[:, side] - 60) / 100, 0, 1)[:, None]  # the shoulder rises with the arm
    shoulder = joints["neck"] + chest[:, :, 0] * (sign * body.shoulder_half * (1 - 0.12 * lift))
    shoulder = shoulder + chest[:, :, 1] * (0.02 + 0.04 * lift - 0.05)
    upper = (
        chest
        @ about(2, sign * motion.arm_abduct[:, side])
        @ about(0, -motion.arm_flex[:, side])
        @ about(1, sign * motion.arm_rotate[:, side])
    )
    fore = upper @ about(0, -motion.elbow[:, side])
    joints[f"{name}_shoulder"] = shoulder
    joints[f"{name}_elbow"] = shoulder - upper[:, :, 1] * body.upper_arm
    joints[f"{name}_wrist"] = joints[f"{name}_elbow"] - fore[:, :, 1] * body.forearm
    joints[f"{name}_hand"] = joints[f"{name}_wrist"] - fore[:, :, 1] * body.hand
