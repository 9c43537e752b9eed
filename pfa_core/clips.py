"""Labelled clips and images, and their frames: what action models train and are tested on.

Axes: T frames, H rows, W columns.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.crops import scale_short_side
from pfa_core.errors import ImageUnreadable, InputError, VideoUnreadable
from pfa_core.images import read_image
from pfa_core.left_out import LeftOut, opening
from pfa_core.progress import Progress
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

MAX_FRAMES = 64
"""Most frames of a clip that are kept for training; neighbouring frames teach little more."""
MIN_FRAMES = 4
"""Fewest, however many clips share the memory."""
MEMORY_BYTES = 4 * 2**30
"""Frames of all clips together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledClip:
    """A video, or a still image, that shows one action."""

    name: str
    """As its user knows it."""
    label: str
    path: Path
    group: str | None = None
    """Clips of one group stay on one side of a split."""
    split: str | None = None
    """`train`, `val` or `test`; None: the recipe decides by group."""
    still: bool = False
    """An image, not a video."""
    num_frames: int | None = None
    """Of a video, where known; saves counting them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFrames:
    """Frames of one clip at working size."""

    clip: LabelledClip
    frames_u8: NDArray[np.uint8]
    """(T, H, W, 3) RGB, T >= 1; the shorter side is the recipe's short_side_px."""


def read_clip(clip: LabelledClip, *, short_side_px: int, max_frames: int, limits: DecodeLimits) -> ClipFrames:
    """Read at most `max_frames` frames, evenly spaced from the first to the last.

    Raises:
        InputError: the file does not open or read.
    """
    with opening(ImageUnreadable if clip.still else VideoUnreadable):
        frames = _frames(clip, short_side_px=short_side_px, max_frames=max_frames, limits=limits)
    return ClipFrames(clip=clip, frames_u8=frames)


def read_clips(
    clips: Sequence[LabelledClip], *, short_side_px: int, limits: DecodeLimits, memory_bytes: int = MEMORY_BYTES
) -> Generator[Progress, None, tuple[list[ClipFrames], list[LeftOut]]]:
    """Read every clip into memory: up to MAX_FRAMES frames each, fewer where all together would not fit.

    Frames are taken to be 4:3 when the memory is divided.

    Returns:
        The clips that read, in their order, and those that do not.
    """
    frame_bytes = short_side_px * short_side_px * 4 // 3 * 3
    fitting = memory_bytes // max(1, frame_bytes * len(clips))
    max_frames = int(np.clip(fitting, MIN_FRAMES, MAX_FRAMES))
    found: list[ClipFrames] = []
    left_out: list[LeftOut] = []
    for number, clip in enumerate(clips, start=1):
        try:
            found.append(read_clip(clip, short_side_px=short_side_px, max_frames=max_frames, limits=limits))
        except InputError as error:
            left_out.append(LeftOut.of(error, name=clip.name, path=clip.path))
        yield Progress(phase="decode", step=number, total=len(clips))
    return found, left_out


def spaced(num_frames: int, count: int) -> list[int]:
    """`count` indices spaced evenly over 0..num_frames - 1, ends included; each frame once when there are fewer."""
    if num_frames <= count:
        return list(range(num_frames))
    if count == 1:
        return [(num_frames - 1) // 2]
    return [round(i * (num_frames - 1) / (count - 1)) for i in range(count)]


def _frames(clip: LabelledClip, *, short_side_px: int, max_frames: int, limits: DecodeLimits) -> NDArray[np.uint8]:
    if clip.still:
        image = read_image(clip.path.read_bytes(), max_pixels=limits.max_pixels)
        return scale_short_side(image, short_side_px)[None]
    num_frames = probe(clip.path, limits=limits).num_frames if clip.num_frames is None else clip.num_frames
    chosen = spaced(num_frames, max_frames)
    with closing(read_frames(clip.path, limits=limits, short_side_px=short_side_px, indices=chosen)) as frames:
        kept = list(frames)
    if not kept:
        raise VideoUnreadable("No frame of the video decodes.")
    return np.stack(kept)
