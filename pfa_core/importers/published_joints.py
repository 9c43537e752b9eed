"""The joint sets of published data sets: data in `joint_sets/`, one file each, in the order of the publication."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pfa_core.skeleton import JointSet, Limb

NAMES = ("flic-29", "flic-9", "lsp-14", "mpii-16", "coco-17", "jhmdb-15")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedJoints:
    """A joint set as its authors number it."""

    name: str
    joints: JointSet
    pairs: tuple[tuple[str, str], ...]
    """Left and right twins."""
    limbs: tuple[Limb, ...]
    """What PCP scores."""
    torso: tuple[str, str]
    """Its length is what PDJ measures by."""


@cache
def published_joints(name: str) -> PublishedJoints:
    """One of NAMES."""
    plain = json.loads((files("pfa_core.importers") / "joint_sets" / f"{name}.json").read_text("utf-8"))
    first, second = plain["torso"]
    return PublishedJoints(
        name=name,
        joints=JointSet(tuple(plain["joints"])),
        pairs=tuple((left, right) for left, right in plain["pairs"]),
        limbs=tuple(Limb(part, start, end) for part, start, end in plain["limbs"]),
        torso=(first, second),
    )
