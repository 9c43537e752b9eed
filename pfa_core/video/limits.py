"""Caps on what a video may cost. Standard library only: the decoding process reads this before anything else."""

from dataclasses import dataclass

from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Caps on one video; over `max_*` it is VideoTooLarge, over `timeout_s` DecodeTimeout."""

    max_bytes: int = 2 * 2**30
    """Size of the file."""
    max_pixels: int = 3840 * 2160
    """Width times height of a frame."""
    max_frames: int = 1_000_000
    max_duration_s: float = 6 * 3600
    timeout_s: float = 600
    """Time spent waiting for the decoding process; what the caller does between two frames does not count."""
    memory_bytes: int = 4 * 2**30
    """Address space of the decoding process."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_frames", "max_duration_s", "timeout_s", "memory_bytes"):
            if not getattr(self, name) > 0:
                raise ConfigInvalid(f"{name} must be > 0, got {getattr(self, name)}")
