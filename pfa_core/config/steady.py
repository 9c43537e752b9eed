"""Pretraining by temporal coherence: features change slowly, and change as they did a moment before.

Source: Jayaraman and Grauman, "Slow and Steady Feature Analysis: Higher Order Temporal Coherence in Video", CVPR 2016;
the paper's baseline [22].
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pfa_core.config import pretrain
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import LearnConfig, NetConfig, check_val_fraction
from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyConfig:
    """Everything that decides what a pretraining run by temporal coherence does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig
    """Its dropout is best 0: it makes two looks at one frame differ, which is the very thing that is penalised."""
    pack: PackConfig
    learn: LearnConfig
    gap_frames: int = 6
    """Frames at most this far apart are neighbours (the source's T), those farther apart are not; the steps of a tuple
    are drawn from 1 to this. The source chooses T by data set; with 6, a tuple spans at most the 12 frames between the
    two poses of the paper."""
    slow_margin: float = 1.0
    """Distance that features of frames which are no neighbours shall have (delta of the first order)."""
    steady_margin: float = 1.0
    """Distance that changes which do not follow each other shall have (delta of the second order)."""
    slow_weight: float = 1.0
    """Of the first order (lambda'). The source chooses both weights by validation, beside a supervised loss."""
    steady_weight: float = 1.0
    """Of the second order (lambda)."""
    flip: bool = True
    """Mirror half of the tuples."""
    val_fraction: float = 0.15
    """Share of the groups (of the videos, where no groups are known) held out for validation."""
    val_tuples: int = 256
    """Tuples in the fixed validation set."""

    def __post_init__(self) -> None:
        for name in ("gap_frames", "val_tuples"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("slow_margin", "steady_margin"):
            if not getattr(self, name) > 0:
                raise ConfigInvalid(f"{name} must be > 0, got {getattr(self, name)}")
        if min(self.slow_weight, self.steady_weight) < 0 or self.slow_weight + self.steady_weight == 0:
            raise ConfigInvalid(
                "slow_weight and steady_weight must be >= 0, and one of them above it, got"
                f" {self.slow_weight} and {self.steady_weight}"
            )
        check_val_fraction(self.val_fraction)
        if self.pack.short_side_px < self.net.crop_px:
            raise ConfigInvalid(
                f"pack.short_side_px ({self.pack.short_side_px}) must be at least net.crop_px ({self.net.crop_px})"
            )

    @property
    def min_frames(self) -> int:
        """Shorter videos are left out: a tuple of the widest step, and a frame that is no neighbour of it."""
        return 3 * self.gap_frames + 2


def paper() -> SteadyConfig:
    """Motion's budget at the paper's size, so that the two can be compared."""
    motion = pretrain.paper()
    return SteadyConfig(net=replace(motion.net, dropout=0.0), pack=motion.pack, learn=motion.learn)


def small() -> SteadyConfig:
    """Motion's budget on two CPU cores."""
    motion = pretrain.small()
    return SteadyConfig(net=replace(motion.net, dropout=0.0), pack=motion.pack, learn=motion.learn)
