"""Joint sets: which joints a data set labels, how they mirror, and which limbs they span.

A joint is an anatomical identity (`left_wrist`); its (x, y) in an image is a keypoint. Joint names are normalised to
snake case with `left_` / `right_` in full, so that `l_wrist`, `LeftWrist` and `left wrist` are one joint.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pfa_core.errors import AnnotationsInvalid


@dataclass(frozen=True, slots=True)
class Limb:
    """Two joints and the body part between them."""

    part: str
    """`upper_arm`, `lower_arm`, `upper_leg`, `lower_leg`, `torso` or `head`."""
    start: str
    end: str


_PARTS: tuple[tuple[str, str, str], ...] = (
    ("upper_arm", "shoulder", "elbow"),
    ("lower_arm", "elbow", "wrist"),
    ("upper_leg", "hip", "knee"),
    ("lower_leg", "knee", "ankle"),
    ("torso", "shoulder", "hip"),
)


@dataclass(frozen=True, slots=True)
class JointSet:
    """The joints of a data set, in the order of its heatmaps."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise AnnotationsInvalid("A joint set needs at least one joint.")
        if len(set(self.names)) != len(self.names):
            raise AnnotationsInvalid(f"A joint is named twice in {', '.join(self.names)}.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of a joint.

        Raises:
            AnnotationsInvalid: the set has no such joint.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise AnnotationsInvalid(f"There is no joint {name!r} in {', '.join(self.names)}.") from None

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each joint, the index of the joint that it becomes in a mirror (itself where it has no twin)."""
        return tuple(
            self.names.index(twin) if (twin := _twin(name)) in self.names else i for i, name in enumerate(self.names)
        )

    @property
    def pairs(self) -> dict[str, tuple[int, int]]:
        """Joints that both sides of the body have: `elbow` -> the indices of the left and the right elbow."""
        kinds = dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in self.names)
        return {
            kind: (self.names.index(f"left_{kind}"), self.names.index(f"right_{kind}"))
            for kind in kinds
            if {f"left_{kind}", f"right_{kind}"} <= set(self.names)
        }

    @property
    def limbs(self) -> tuple[Limb, ...]:
        """The limbs both of whose joints are in the set."""
        found = []
        for part, start, end in _PARTS:
            for side in ("left_", "right_"):
                if side + start in self.names and side + end in self.names:
                    found.append(Limb(part, side + start, side + end))
        if "neck" in self.names and "head_top" in self.names:
            found.append(Limb("head", "neck", "head_top"))
        return tuple(found)


def _twin(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


def joint_name(raw: str) -> str:
    """Normalise a joint's name: `l_wrist`, `LWrist`, `lwri`-free spellings and `left wrist` -> `left_wrist`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", raw.strip())
    snake = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")
    snake = re.sub(r"^l_", "left_", snake)
    return re.sub(r"^r_", "right_", snake)


def joint_set(raw_names: Sequence[str]) -> JointSet:
    """The joint set with these names, normalised."""
    return JointSet(tuple(joint_name(raw) for raw in raw_names))


def _both(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints for side in ("left", "right"))


FLIC = JointSet(("nose", *_both("shoulder", "elbow", "wrist", "hip")))
"""The nine joints of FLIC. Source: paper section 4.2."""

LSP = JointSet((
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow",
    "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top",
))  # fmt: skip
"""The fourteen joints of Leeds Sports Pose, in its order (Johnson and Everingham 2010)."""

COCO = JointSet(("nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")))
"""The seventeen keypoints of COCO, in its order."""
