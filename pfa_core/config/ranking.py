"""Pretraining by ranking: a tracked patch is nearer to where it was than to other videos' patches.

Source: Wang and Gupta, "Unsupervised Learning of Visual Representations using Videos", ICCV 2015; the paper's
baseline [11].
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from pfa_core.config import pretrain
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import LearnConfig, NetConfig, check_val_fraction
from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingConfig:
    """Everything that decides what a pretraining run by ranking does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig
    pack: PackConfig
    learn: LearnConfig
    patch_px: int
    """Side of a patch in frames of the working size; it is scaled to `net.crop_px`. The source's patches are half as
    high as its frames (227 of 448 px)."""
    gap_frames: int = 30
    """Frames between the two patches of a track. Source: 30."""
    moving_px: float = 0.5
    """A pixel that moves more than this from a frame to the next is moving. Source: 0.5."""
    still_share: float = 0.01
    """A track starts where more than this share of the patch moves. The source asks for a quarter of the frame's
    interest points; of all pixels, most of which are background, far fewer move."""
    camera_share: float = 0.75
    """No track starts in a frame of which more than this share moves: then it is the camera that moves. 1 never drops
    a frame. Source: 0.75, of the interest points."""
    tracks_per_video: int = 80
    """At most so many tracks a video, their starts spaced evenly. The source has 80 a video on average."""
    margin: float = 0.5
    """By how much a negative shall be farther away than the positive, in cosine distance. Source: 0.5."""
    num_negatives: int = 4
    """Patches of other videos of the batch per pair, K. Source: 4."""
    hard_after: float = 0.4
    """Negatives are random for this share of the steps, then the hardest of the batch. The order is the source's, the
    share is ours."""
    flip: bool = True
    """Mirror half of the pairs."""
    val_fraction: float = 0.15
    """Share of the groups (of the videos, where no groups are known) held out for validation."""
    val_pairs: int = 256
    """Pairs in the fixed validation set."""

    def __post_init__(self) -> None:
        for name in ("patch_px", "gap_frames", "tracks_per_video", "num_negatives", "val_pairs"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("moving_px", "margin"):
            if not getattr(self, name) > 0:
                raise ConfigInvalid(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("still_share", "camera_share", "hard_after"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigInvalid(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        check_val_fraction(self.val_fraction)
        if self.pack.short_side_px < max(self.net.crop_px, self.patch_px):
            raise ConfigInvalid(
                f"pack.short_side_px ({self.pack.short_side_px}) must be at least net.crop_px ({self.net.crop_px})"
                f" and patch_px ({self.patch_px})"
            )
        if self.learn.batch_size < 2:
            raise ConfigInvalid("learn.batch_size must be >= 2: negatives come from other videos of the batch")

    @property
    def min_frames(self) -> int:
        """Shorter videos are left out."""
        return self.gap_frames + 1

    @property
    def hard_from(self) -> int:
        """The first step (from 0) with hard negatives."""
        return round(self.hard_after * self.learn.steps)


def paper() -> RankingConfig:
    """Motion's budget at the paper's size, so that the two can be compared; the source trains for longer."""
    motion = pretrain.paper()
    return RankingConfig(net=motion.net, pack=motion.pack, learn=motion.learn, patch_px=120)


def small() -> RankingConfig:
    """Motion's budget on two CPU cores; tracks span motion's 12 frames, so that the same videos can be used."""
    motion = pretrain.small()
    return RankingConfig(
        net=motion.net, pack=motion.pack, learn=motion.learn, patch_px=64, gap_frames=motion.gap_frames
    )
