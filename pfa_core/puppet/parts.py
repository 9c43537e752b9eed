"""The solids that a body is drawn with: round cones, some of them flattened, each with a material.

T frames, P parts. A round cone is the hull of two balls; flattened, its cross-section is an ellipse.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet import looks as materials
from pfa_core.puppet.body import Body
from pfa_core.puppet.looks import Looks
from pfa_core.puppet.motion import Array
from pfa_core.puppet.skeleton3d import SIDES, SIGN, Skeleton

GROUPS = (
    "head", "torso",
    "left_upper_arm", "left_lower_arm", "left_upper_leg", "left_lower_leg",
    "right_upper_arm", "right_lower_arm", "right_upper_leg", "right_lower_leg",
)  # fmt: skip
"""The members of a body; each solid belongs to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solids:
    """All solids of a body in each frame, in metres."""

    start: Array
    """(T, P, 3) centre of the first ball."""
    end: Array
    """(T, P, 3) centre of the second."""
    radius: Array
    """(P, 2) of both."""
    grain: Array
    """(T, P, 3) unit: where the texture's columns run."""
    flat_along: Array
    """(T, P, 3) unit: the direction of flattening."""
    flat: Array
    """(P,) extent along it, 1 is round."""
    material: NDArray[np.int64]
    group: NDArray[np.int64]


@dataclass(slots=True)
class _Builder:
    skeleton: Skeleton
    body: Body
    looks: Looks
    rows: list[tuple[Array, Array, Array, Array]] = field(default_factory=list)
    sizes: list[tuple[float, float, float]] = field(default_factory=list)
    kinds: list[tuple[int, int]] = field(default_factory=list)

    def add(
        self, group: str, material: int, start: Array, end: Array, *, radius: tuple[float, float], frame: Array,
        flat: float = 1.0,
    ) -> None:  # fmt: skip
        """A round cone whose texture and flattening follow the x and z axes of `frame` (T, 3, 3)."""
        girth = self.body.girth
        self.rows.append((start, end, frame[:, :, 0], frame[:, :, 2]))
        self.sizes.append((radius[0] * girth, radius[1] * girth, flat))
        self.kinds.append((material, GROUPS.index(group)))

    def build(self) -> Solids:
        start, end, grain, flat_along = (np.stack(column, axis=1) for column in zip(*self.rows, strict=True))
        sizes = np.array(self.sizes)
        material, group = np.ascontiguousarray(np.array(self.kinds, dtype=np.int64).T)
        return Solids(
            start=start, end=end, grain=grain, flat_along=flat_along,
            radius=sizes[:, :2].copy(), flat=sizes[:, 2].copy(),
            material=material, group=group,
        )  # fmt: skip


def dress(skeleton: Skeleton, body: Body, looks: Looks) -> Solids:
    """The solids of a body in its clothes."""
    builder = _Builder(skeleton, body, looks)
    _torso(builder)
    _head(builder)
    for side in range(2):
        _arm(builder, side)
        _leg(builder, side)
    return builder.build()


def _torso(build: _Builder) -> None:
    joints, chest, pelvis = build.skeleton.joints, build.skeleton.chest, build.skeleton.pelvis
    body, looks = build.body, build.looks
    up, hang = chest[:, :, 1], pelvis[:, :, 1]
    wide = body.shoulder_half / 0.195
    ribs = joints["neck"] - up * 0.16 * body.spine / 0.5
    loose = looks.loose
    build.add(
        "torso", materials.TOP, joints["waist"], ribs, frame=chest, flat=0.66,
        radius=(0.135 * body.belly * loose, 0.168 * wide * loose),
    )  # fmt: skip
    yoke = [joints[f"{name}_shoulder"] - chest[:, :, 0] * (sign * 0.03) for name, sign in zip(SIDES, SIGN, strict=True)]
    build.add("torso", materials.TOP, yoke[0], yoke[1], frame=chest, radius=(0.066, 0.066))
    build.add(
        "torso", materials.TOP, joints["neck"] - up * 0.05, ribs, frame=chest, flat=0.7, radius=(0.09, 0.15 * wide)
    )
    hem = joints["waist"] - hang * (0.05 + 0.16 * looks.hem)
    build.add(
        "torso", materials.TOP, joints["waist"], hem, frame=pelvis, flat=0.72,
        radius=(0.135 * body.belly * loose, 0.142 * loose * max(body.belly, 1.0)),
    )  # fmt: skip
    build.add(
        "torso", materials.BOTTOM, joints["waist"] - hang * 0.09, joints["pelvis"] - hang * 0.015, frame=pelvis,
        flat=0.74, radius=(0.130 * body.belly, 0.146),
    )  # fmt: skip


def _head(build: _Builder) -> None:
    """Skull, face and hair; every length is a part of the head's, whatever the body's girth."""
    joints, head, body = build.skeleton.joints, build.skeleton.head, build.body
    left, up, ahead = (head[:, :, axis] * body.head for axis in range(3))

    def add(material: int, start: Array, end: Array, radii: tuple[float, float], flat: float = 1.0) -> None:
        thick = body.head / body.girth  # cancels the girth
        build.add("head", material, start, end, radius=(radii[0] * thick, radii[1] * thick), frame=head, flat=flat)

    base, nose = joints["skull"], joints["nose"]
    crown = base + up * 0.66
    build.add("head", materials.SKIN, joints["neck"] - up * 0.08, base + up * 0.2, frame=head, radius=(0.060, 0.054))
    add(materials.SKIN, base + up * 0.24 + ahead * 0.10, crown, (0.24, 0.35))
    add(materials.SKIN, nose + up * 0.11 - ahead * 0.08, nose - ahead * 0.045, (0.03, 0.06))
    for sign in SIGN:
        eye = nose + up * 0.14 + left * (sign * 0.13) - ahead * 0.095
        add(materials.DARK, eye, eye, (0.048, 0.048))
        brow = eye + up * 0.10 + ahead * 0.01
        add(materials.HAIR, brow - left * 0.05, brow + left * 0.05, (0.026, 0.026))
        ear = base + up * 0.46 + left * (sign * 0.32)
        add(materials.SKIN, ear, ear, (0.08, 0.08))
    mouth = nose - up * 0.17 - ahead * 0.08
    add(materials.LIPS, mouth - left * 0.06, mouth + left * 0.06, (0.034, 0.034))
    style = build.looks.hair
    material = materials.EXTRA if style == "cap" else materials.HAIR
    top = crown + up * 0.03 - ahead * 0.07
    if style != "bald":
        add(material, top, top - ahead * 0.05 - up * 0.16, (0.36, 0.34))
    if style == "cap":
        rim = crown + up * 0.06 + ahead * 0.28
        build.add("head", material, rim - left * 0.1, rim + left * 0.1, frame=head[:, :, [0, 2, 1]], flat=0.2,
                  radius=(0.22 * body.head / body.girth, 0.22 * body.head / body.girth))  # fmt: skip
    if style == "long":
        add(material, top - ahead * 0.08, crown - up * 0.95 - ahead * 0.20, (0.34, 0.26), flat=0.7)
    if style == "bun":
        knot = crown + up * 0.12 - ahead * 0.36
        add(material, knot, knot, (0.17, 0.17))


def _rod(start: Array, end: Array, side_axis: Array) -> Array:
    """(T, 3, 3) frame of a limb: its second axis along it, its first near `side_axis` (T, 3)."""
    along = end - start
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = side_axis - np.sum(side_axis * along, axis=1, keepdims=True) * along
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return np.stack([side, along, np.cross(side, along)], axis=2)


def _arm(build: _Builder, side: int) -> None:
    name, joints, looks = SIDES[side], build.skeleton.joints, build.looks
    shoulder, elbow, wrist, hand = (joints[f"{name}_{part}"] for part in ("shoulder", "elbow", "wrist", "hand"))
    upper, fore = f"{name}_upper_arm", f"{name}_lower_arm"
    upper_frame = _rod(shoulder, elbow, build.skeleton.chest[:, :, 0])
    fore_frame = _rod(elbow, wrist, upper_frame[:, :, 0])
    build.add(upper, materials.SKIN, shoulder, elbow, frame=upper_frame, radius=(0.053, 0.041))
    build.add(fore, materials.SKIN, elbow, wrist, frame=fore_frame, radius=(0.042, 0.027))
    build.add(fore, materials.SKIN, wrist, hand, frame=fore_frame, flat=0.7, radius=(0.03, 0.041))
    loose = looks.loose
    if looks.sleeve > 0:
        length = min(1.0, looks.sleeve)
        cuff = shoulder + (elbow - shoulder) * length
        build.add(upper, materials.TOP, shoulder, cuff, frame=upper_frame,
                  radius=(0.062 * loose, (0.062 - 0.012 * length) * loose))  # fmt: skip
    if looks.sleeve >= 1:
        cuff = elbow + (wrist - elbow) * 0.93
        build.add(fore, materials.TOP, elbow, cuff, frame=fore_frame, radius=(0.050 * loose, 0.036 * loose))


def _leg(build: _Builder, side: int) -> None:
    name, joints, looks = SIDES[side], build.skeleton.joints, build.looks
    hip, knee, ankle, ball = (joints[f"{name}_{part}"] for part in ("hip", "knee", "ankle", "ball"))
    upper, lower = f"{name}_upper_leg", f"{name}_lower_leg"
    upper_frame = _rod(hip, knee, build.skeleton.pelvis[:, :, 0])
    lower_frame = _rod(knee, ankle, upper_frame[:, :, 0])
    foot = build.skeleton.feet[side]
    loose = looks.loose
    calf = knee + (ankle - knee) * 0.3
    cloth_end = hip + (knee - hip) * min(1.0, looks.trouser)
    build.add(upper, materials.SKIN, hip, knee, frame=upper_frame, radius=(0.078, 0.052))
    build.add(upper, materials.BOTTOM, hip, cloth_end, frame=upper_frame, radius=(0.088 * loose, 0.064 * loose))
    material = materials.BOTTOM if looks.trouser >= 1 else materials.SKIN
    slack = loose * 1.04 if looks.trouser >= 1 else 1.0
    build.add(lower, material, knee, calf, frame=lower_frame, radius=(0.052 * slack, 0.056 * slack))
    build.add(lower, material, calf, ankle, frame=lower_frame, radius=(0.056 * slack, 0.036 * slack * slack))
    sole = -0.55 * build.body.ankle_height
    heel = ankle + foot @ np.array([0.0, sole, -0.6 * build.body.heel_back])
    toes = ball + foot @ np.array([0.0, build.body.ankle_height * 0.42, 0.015])
    build.add(lower, materials.SHOES, heel, toes, frame=foot, radius=(0.041, 0.033))
