"""What a model folder says about preparing its input and reading its output.

Folders written by our recipes carry the recipe's whole configuration; what an imported folder leaves out is the
paper's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pfa_core.config.action import MotionConfig
from pfa_core.config.flow import PackConfig, TvL1Config
from pfa_core.errors import ConfigInvalid, ModelDamaged, ModelUnsuitable
from pfa_core.manifest import ModelConfig
from pfa_core.skeleton import JointSet


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSettings:
    """Of a pose model; the values are those of `PoseConfig`, and what validation found."""

    torso_scale: float
    top_cells: int
    sub_cell: bool
    visible_from: tuple[float, ...] | None
    """The score from which on each joint counts as visible, in the order of the joints; None: not known."""

    @staticmethod
    def of(config: ModelConfig) -> "PoseSettings":
        """Raises: ModelDamaged: a value is not what it must be."""
        sub_cell = config.settings.get("sub_cell", False)
        if not isinstance(sub_cell, bool):
            raise ModelDamaged(f"config.json of the model has sub_cell = {sub_cell!r}; true or false is needed.")
        return PoseSettings(
            torso_scale=_positive(config.settings, "torso_scale", 3.0),
            top_cells=int(_positive(config.settings, "top_cells", 20)),
            sub_cell=sub_cell,
            visible_from=_thresholds(config),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettings:
    """Of an action model; the values are those of `ActionConfig`."""

    short_side_px: int
    test_frames: int
    flip: bool
    motion: MotionConfig | None
    """None: the model looks at frames alone."""

    @staticmethod
    def of(config: ModelConfig) -> "ActionSettings":
        """Raises: ModelDamaged: a value is not what it must be, or is missing of a model of two streams."""
        flip = config.settings.get("flip", True)
        if not isinstance(flip, bool):
            raise ModelDamaged(f"config.json of the model has flip = {flip!r}; true or false is needed.")
        short_side_px = int(_positive(config.settings, "short_side_px", round(config.net.crop_px * 240 / 224)))
        return ActionSettings(
            short_side_px=max(short_side_px, config.net.crop_px),
            test_frames=int(_positive(config.settings, "test_frames", 25)),
            flip=flip,
            motion=_motion_of(config) if config.two_stream else None,
        )


def joints_of(config: ModelConfig) -> JointSet:
    """Raises: ModelUnsuitable: not a pose model."""
    if config.kind != "pose" or config.joints is None:
        raise ModelUnsuitable(f"A pose model is needed; this is a model of kind {config.kind!r}.", kind=config.kind)
    return config.joints


def labels_of(config: ModelConfig) -> tuple[str, ...]:
    """Raises: ModelUnsuitable: not an action model."""
    if config.kind != "action" or not config.labels:
        raise ModelUnsuitable(f"An action model is needed; this is a model of kind {config.kind!r}.", kind=config.kind)
    return config.labels


def _thresholds(config: ModelConfig) -> tuple[float, ...] | None:
    values = config.settings.get("visible_from")
    if values is None:
        return None
    num_joints = 0 if config.joints is None else len(config.joints)
    if not isinstance(values, list | tuple) or len(values) != num_joints or not all(map(_is_number, values)):
        raise ModelDamaged(f"config.json of the model has visible_from = {values!r}; {num_joints} numbers are needed.")
    return tuple(float(value) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _motion_of(config: ModelConfig) -> MotionConfig:
    """Raises: ModelDamaged: the flow that its second stream looks at cannot be measured from what it says."""
    try:
        plain = config.settings["motion"]
        pack = PackConfig(**plain["pack"] | {"tvl1": TvL1Config(**plain["pack"]["tvl1"])})
        motion = MotionConfig(**plain | {"pack": pack})
    except (KeyError, TypeError, ConfigInvalid) as error:
        raise ModelDamaged(f"config.json of the model does not say how its flow is measured: {error!r}") from error
    if 2 * motion.gap_frames != config.flow_maps:
        raise ModelDamaged(
            f"config.json of the model has {config.flow_maps} flow maps and gap_frames = {motion.gap_frames}."
        )
    return motion


def _positive(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name, default)
    if not _is_number(value) or not value > 0:
        raise ModelDamaged(f"config.json of the model has {name} = {value!r}; a number above zero is needed.")
    return value
