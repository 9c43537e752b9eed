"""The frames of a video, decoded in a sandbox: video files come from strangers, and decoders have holes.

A process of its own decodes, within limits on time, memory and size; it opens no network protocol, writes no file and
sees none of our environment.
"""

import contextlib
from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import ConfigInvalid
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.sandbox import Sandbox, TimedFrame, open_container, request_for
from pfa_core.video.wire import Request


def read_frames(
    path: Path,
    *,
    limits: DecodeLimits,
    short_side_px: int | None = None,
    indices: Sequence[int] | None = None,
    every_frames: int = 1,
) -> Generator[NDArray[np.uint8], None, None]:
    """Yield the frames of a video in display order, upright, with square pixels, as (H, W, 3) uint8 RGB.

    Frames come as they are coded, whatever their times: of a video with a variable frame rate each is sent once, none
    is repeated or dropped to fill a grid of time, and frames 12 apart may lie any time apart. Flow is measured from
    one frame to the next, so what it says stays true; the times are not kept.

    The child process that decodes lives as long as the iterator: close it (`contextlib.closing`) when leaving early.
    It also dies with the thread that asked for the first frame, so take all frames in one thread.

    Args:
        path: the file; its name does not matter, its content does.
        limits: caps; over them the video is refused, where the header tells, before a frame is decoded.
        short_side_px: scale so that the shorter side has this length (enlarging too); None leaves the size.
        indices: ascending; only these frames are sent back, and decoding stops at the last. Those past the end are
            left out.
        every_frames: without `indices`, every so many frames, from the first.

    Raises:
        VideoUnsupported, VideoTooLarge, DecodeTimeout: see `pfa_core.errors`.
        VideoUnreadable: damaged. The frames before the damage have been yielded by then; `facts["num_frames"]`
            says how many decode.
        ConfigInvalid: `indices` do not ascend, or both ways to choose are used.
        OSError: the file cannot be opened.
    """
    chosen = _checked(indices, every_frames=every_frames)
    container = open_container(path, limits)
    request = request_for(
        path,
        action="frames",
        demuxer=container.demuxer,
        limits=limits,
        short_side_px=short_side_px,
        indices=chosen,
        every_frames=every_frames,
    )
    return _frames(request, limits)


def read_from(
    path: Path, first_frame: int, *, limits: DecodeLimits, short_side_px: int | None, enters: bool = True
) -> Generator[TimedFrame, None, None]:
    """Yield the frames of a video from `first_frame` on, as `read_frames` would, each with its time.

    Args:
        path: the file.
        first_frame: index of the first that is sent; of a shorter video there are none.
        limits: caps, as for `read_frames`. Time spent on frames that are not sent counts as waiting.
        short_side_px: scale so that the shorter side has this length; None leaves the size.
        enters: decoding may begin at a key frame near by, where the file says which frame that is (`video/entry`).
            Files are wrong at times: who needs certainty compares a frame that it knows. False: decode from the start.

    Raises:
        As `read_frames`. Damage in what is not decoded is not found.
    """
    container = open_container(path, limits)
    request = request_for(
        path,
        action="frames",
        demuxer=container.demuxer,
        limits=limits,
        short_side_px=short_side_px,
        first_frame=first_frame,
        enters=enters,
    )
    return _timed_frames(request, limits)


def _frames(request: Request, limits: DecodeLimits) -> Generator[NDArray[np.uint8], None, None]:
    with contextlib.closing(_timed_frames(request, limits)) as frames:
        for frame in frames:
            yield frame.pixels


def _timed_frames(request: Request, limits: DecodeLimits) -> Generator[TimedFrame, None, None]:
    with Sandbox(request, limits=limits) as sandbox:
        while isinstance(record := sandbox.next_record(), TimedFrame):
            yield record


def _checked(indices: Sequence[int] | None, *, every_frames: int) -> tuple[int, ...] | None:
    """Raises: ConfigInvalid."""
    if every_frames < 1:
        raise ConfigInvalid(f"every_frames must be >= 1, got {every_frames}")
    if indices is None:
        return None
    if every_frames != 1:
        raise ConfigInvalid("give indices or every_frames, not both")
    chosen = tuple(int(i) for i in indices)
    if any(b <= a for a, b in pairwise(chosen)) or (chosen and chosen[0] < 0):
        raise ConfigInvalid("indices must ascend from 0 or more")
    return chosen
