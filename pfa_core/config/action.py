"""Finetuning for action: a label for a frame or a clip. Source: paper section 4.3."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pfa_core.config import flow
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import LearnConfig, NetConfig, check_val_fraction
from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionConfig:
    """What the second stream of a two-stream model looks at. Source: Simonyan and Zisserman 2014; not in the paper."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    pack: PackConfig
    """How flow is measured, in training and ever after; packs of a pretraining with the same values are used again."""
    gap_frames: int = 12
    """Flow maps of each direction in a block, as in pretraining: 12 + 12."""
    test_blocks: int = 25
    """Blocks of a clip that are looked at in a test, spaced evenly, in as many crops as the frames. Each costs the flow
    of `gap_frames` pairs, but for those that it shares with its neighbours."""
    weight: float = 0.5
    """Share of the motion stream in the mean of both streams' probabilities."""

    def __post_init__(self) -> None:
        if not 1 <= self.gap_frames <= 100:
            raise ConfigInvalid(f"motion.gap_frames must lie in 1..100, got {self.gap_frames}")
        if not 1 <= self.test_blocks <= 1000:
            raise ConfigInvalid(f"motion.test_blocks must lie in 1..1000, got {self.test_blocks}")
        if not 0 <= self.weight <= 1:
            raise ConfigInvalid(f"motion.weight must lie in [0, 1], got {self.weight}")

    @property
    def min_frames(self) -> int:
        """A shorter clip has no block."""
        return self.gap_frames + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionConfig:
    """Everything that decides what an action finetuning run does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig
    learn: LearnConfig
    short_side_px: int
    """Frames are scaled so that the shorter side has this length before crops are taken."""
    layers: Literal["full", "last2"] = "full"
    """Train every layer, or the two new ones only."""
    flip: bool = True
    """Mirror half of the training crops, and look at every crop's mirror in tests and predictions; without it, left and
    right can be told apart."""
    test_frames: int = 25
    """Frames of a clip that are looked at in a test, spaced evenly; each gives 5 crops and their mirrors."""
    val_fraction: float = 0.1
    """Share of the training clips held out for validation where the data set names none; 0: learn from all."""
    two_stream: bool = False
    """Train a second network beside the first, on flow, and average what both say. Not in the paper."""
    motion: MotionConfig
    """Of the second network; means nothing without `two_stream`."""

    def __post_init__(self) -> None:
        check_val_fraction(self.val_fraction)
        if self.short_side_px < self.net.crop_px:
            raise ConfigInvalid(
                f"short_side_px ({self.short_side_px}) must be at least net.crop_px ({self.net.crop_px})"
            )
        if not 1 <= self.test_frames <= 1000:
            raise ConfigInvalid(f"test_frames must lie in 1..1000, got {self.test_frames}")
        if self.two_stream and self.motion.pack.short_side_px != self.short_side_px:
            raise ConfigInvalid(
                f"both streams look at frames of one size: motion.pack.short_side_px ({self.motion.pack.short_side_px})"
                f" must equal short_side_px ({self.short_side_px})"
            )


def paper() -> ActionConfig:
    """Batches of 256 crops, 14 000 iterations at 1e-3 and 6 000 at 1e-4, the 250-crop test."""
    return ActionConfig(
        net=NetConfig(),
        short_side_px=240,
        motion=MotionConfig(pack=PackConfig(tvl1=flow.paper())),
        learn=LearnConfig(
            batch_size=256, steps=20_000, learning_rate=1e-3, schedule="step", drop_at=0.7,
            validate_every_steps=1_000, checkpoint_every_steps=500,
        ),
    )  # fmt: skip


def small() -> ActionConfig:
    """Learns on two CPU cores: quarter width, batch norm, 112 px crops of 128 px frames."""
    return ActionConfig(
        net=NetConfig(width=0.25, crop_px=112, norm="batch"),
        short_side_px=128,
        motion=MotionConfig(pack=PackConfig(short_side_px=128, tvl1=flow.fast()), test_blocks=5),
        learn=LearnConfig(
            batch_size=32, steps=500, learning_rate=0.01, schedule="one_cycle", max_norm=5.0,
            validate_every_steps=100, checkpoint_every_steps=100,
        ),
    )  # fmt: skip
