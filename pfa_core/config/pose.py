"""Finetuning for pose: one heatmap a joint. Source: paper section 4.2."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pfa_core.config.augment import AugmentConfig
from pfa_core.config.net import LearnConfig, NetConfig, check_val_fraction
from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseConfig:
    """Everything that decides what a pose finetuning run does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig
    learn: LearnConfig
    torso_scale: float = 3.0
    """The person crop is the square around the torso box's centre whose side is this many times its longer side."""
    positive_cells: int = 3
    """Side of the square of cells around a joint that count as the joint."""
    top_cells: int = 20
    """A joint is read out as the centroid of this many highest cells."""
    sub_cell: bool = False
    """Read joints out more finely than by whole cells, see `heatmaps.decode`. Not in the paper."""
    flip: bool = False
    """Mirror half of the samples, exchanging left and right joints."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the training crops in size, angle, place and colours."""
    frozen_layers: int = 0
    """The first so many of conv1 to conv5 are not trained, and batch norms in them keep their statistics; 5 trains the
    new layers alone."""
    backbone_rate: float = 1.0
    """The learning rate of conv1 to conv5 is `learn.learning_rate` times this; the new layers learn at the full one."""
    val_fraction: float = 0.1
    """Share of the training people held out for validation where the data set names none; 0: learn from all."""

    def __post_init__(self) -> None:
        check_val_fraction(self.val_fraction)
        if not 1 <= self.torso_scale <= 20:
            raise ConfigInvalid(f"torso_scale must lie in 1..20, got {self.torso_scale}")
        if self.positive_cells < 1 or self.positive_cells % 2 == 0:
            raise ConfigInvalid(f"positive_cells must be odd and >= 1, got {self.positive_cells}")
        if not 0 <= self.frozen_layers <= 5:
            raise ConfigInvalid(f"frozen_layers must lie in 0..5, got {self.frozen_layers}")
        if not 0 < self.backbone_rate <= 1:
            raise ConfigInvalid(f"backbone_rate must lie in (0, 1], got {self.backbone_rate}; see frozen_layers for 0")
        if self.top_cells < 1:
            raise ConfigInvalid(f"top_cells must be >= 1, got {self.top_cells}")


def paper() -> PoseConfig:
    """256 px person crops, 60 x 60 heatmaps, full width.

    The paper gives no learning rate for pose. The rebalanced loss starts at 1 whatever the size of the heatmaps; at
    1e-3 it hardly moves in hundreds of steps, at 1e-2 it falls.
    """
    return PoseConfig(
        net=NetConfig(crop_px=256),
        learn=LearnConfig(
            batch_size=32, steps=12_000, learning_rate=1e-2, schedule="step", drop_at=0.75,
            validate_every_steps=1_000, checkpoint_every_steps=500,
        ),
    )  # fmt: skip


def small() -> PoseConfig:
    """Learns on two CPU cores: quarter width, batch norm, 128 px crops, 28 x 28 heatmaps read out between cells."""
    return PoseConfig(
        net=NetConfig(width=0.25, crop_px=128, norm="batch"),
        learn=LearnConfig(
            batch_size=32, steps=1_500, learning_rate=0.2, schedule="one_cycle", max_norm=5.0,
            validate_every_steps=250, checkpoint_every_steps=100,
        ),
        top_cells=9,
        flip=True,
        sub_cell=True,
    )  # fmt: skip
