"""What a model folder says about preparing its input and reading its output.

Folders written by our recipes carry the recipe's whole configuration; what an imported folder leaves out is the
paper's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pfa_core.errors import ModelDamaged, ModelUnsuitable
from pfa_core.manifest import ModelConfig
from pfa_core.skeleton import JointSet


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSettings:
    """Of a pose model; the values are those of `PoseConfig`."""

    torso_scale: float
    top_cells: int

    @staticmethod
    def of(config: ModelConfig) -> "PoseSettings":
        """Raises: ModelDamaged: a value is not a number above zero."""
        return PoseSettings(
            torso_scale=_positive(config.settings, "torso_scale", 3.0),
            top_cells=int(_positive(config.settings, "top_cells", 20)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettings:
    """Of an action model; the values are those of `ActionConfig`."""

    short_side_px: int
    test_frames: int

    @staticmethod
    def of(config: ModelConfig) -> "ActionSettings":
        """Raises: ModelDamaged: a value is not a number above zero."""
        short_side_px = int(_positive(config.settings, "short_side_px", round(config.net.crop_px * 240 / 224)))
        return ActionSettings(
            short_side_px=max(short_side_px, config.net.crop_px),
            test_frames=int(_positive(config.settings, "test_frames", 25)),
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


def _positive(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ModelDamaged(f"config.json of the model has {name} = {value!r}; a number above zero is needed.")
    return value
