"""Pretraining: does this motion turn this pose into that one? Source: paper section 3."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pfa_core.config import flow
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import LearnConfig, NetConfig, check_val_fraction
from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """Everything that decides what a pretraining run does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig
    pack: PackConfig
    learn: LearnConfig
    gap_frames: int = 12
    """Frames between the two poses (Delta n). Source: paper section 3, Implementation Details."""
    num_negatives: int = 2
    """Flow blocks of other videos per positive; chance accuracy is num_negatives / (1 + num_negatives)."""
    flip: bool = True
    """Mirror half of the triplets."""
    reverse: bool = True
    """Play half of the triplets backwards."""
    colours: float = 0.0
    """How much the colours of a pair are changed, 0..1, both frames alike; see `colour.vary_colours`. Not in the
    paper."""
    zoom: float = 1.0
    """Triplets are enlarged by up to this factor, 1..4; see `zoom.zoom_in`. Not in the paper."""
    val_fraction: float = 0.15
    """Share of the groups (of the videos, where no groups are known) held out for validation."""
    val_triplets: int = 256
    """Positives in the fixed validation set."""
    devices: int = 1
    """Train on so many GPUs (on a CPU: in so many processes). Every batch is so many equal parts, and negatives are
    chosen within a part, so this belongs to what is learned, not only to where."""

    def __post_init__(self) -> None:
        if self.gap_frames < 1:
            raise ConfigInvalid(f"gap_frames must be >= 1, got {self.gap_frames}")
        if self.num_negatives < 1:
            raise ConfigInvalid(f"num_negatives must be >= 1, got {self.num_negatives}")
        if not 0 <= self.colours <= 1:
            raise ConfigInvalid(f"colours must lie in [0, 1], got {self.colours}")
        if not 1 <= self.zoom <= 4:
            raise ConfigInvalid(f"zoom must lie in [1, 4], got {self.zoom}")
        check_val_fraction(self.val_fraction)
        if self.val_triplets < 1:
            raise ConfigInvalid(f"val_triplets must be >= 1, got {self.val_triplets}")
        if self.pack.short_side_px < self.net.crop_px:
            raise ConfigInvalid(
                f"pack.short_side_px ({self.pack.short_side_px}) must be at least net.crop_px"
                f" ({self.net.crop_px}), so that a crop fits into every frame"
            )
        if self.devices < 1:
            raise ConfigInvalid(f"devices must be >= 1, got {self.devices}")
        if self.learn.batch_size % self.devices or self.learn.batch_size < 2 * self.devices:
            raise ConfigInvalid(
                f"learn.batch_size ({self.learn.batch_size}) must be at least 2 for each of {self.devices} devices, and"
                " the same for all: negatives come from other videos of a device's part of the batch"
            )

    @property
    def min_frames(self) -> int:
        """Shorter videos are left out."""
        return self.gap_frames + 1


def paper() -> PretrainConfig:
    """The paper's schedule: 128 pairs a batch, 75 000 iterations at 1e-3, then 25 000 at 1e-4."""
    return PretrainConfig(
        net=NetConfig(),
        pack=PackConfig(tvl1=flow.paper()),
        learn=LearnConfig(
            batch_size=128, steps=100_000, learning_rate=1e-3, schedule="step", drop_at=0.75,
            validate_every_steps=1_000, checkpoint_every_steps=500,
        ),
    )  # fmt: skip


def small() -> PretrainConfig:
    """Learns on two CPU cores within the hour: quarter width, batch norm, 112 px crops of 128 px frames.

    Little dropout and a high rate learn several times faster than the paper's values at this size; float32, since
    bf16 gains nothing on convolutions this narrow. `docs/results.md` tells what it learns and how it was chosen.
    """
    return PretrainConfig(
        net=NetConfig(width=0.25, crop_px=112, norm="batch", dropout=0.1),
        pack=PackConfig(short_side_px=128, tvl1=flow.fast()),
        learn=LearnConfig(
            batch_size=32, steps=9_000, learning_rate=0.05, schedule="one_cycle", max_norm=5.0, autocast=False,
            validate_every_steps=500, checkpoint_every_steps=100,
        ),
        colours=0.3,
    )  # fmt: skip
