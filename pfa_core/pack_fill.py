"""Making the chunks of a pack: decode, measure flow, write."""

import collections
import contextlib
import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.chunk_writer import ChunkWriter
from pfa_core.config.flow import PackConfig
from pfa_core.flow import luma, make_batch_engine, pairs_at_once
from pfa_core.pack_chunks import Chunks
from pfa_core.video.decode import read_from
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.sandbox import TimedFrame

Frame = NDArray[np.uint8]


def fill(
    chunks: Chunks,
    video: Path,
    config: PackConfig,
    *,
    limits: DecodeLimits,
    chunk_frames: int,
    until: int | None = None,
) -> Generator[int, None, None]:
    """Write the chunks that are missing up to frame `until`, or the video's end; yields the first frame not yet done.

    Frames before the first missing one are not decoded where `video/entry` can tell where it is; the frame before
    it, which its flow begins with, is compared with the one that was written.

    Raises:
        As `read_frames`.
    """
    if chunks.complete or chunks.end == until:
        return
    if chunks.end > chunks.first:
        yield chunks.end
    for enters in (True, False, True):
        first = max(0, chunks.end - 1)
        with contextlib.closing(
            read_from(video, first, limits=limits, short_side_px=config.short_side_px, enters=enters)
        ) as frames:
            before = next(frames, None) if chunks.end else None
            if chunks.follow(before, jpeg_quality=config.jpeg_quality):
                yield from _extend(chunks, frames, before, config, chunk_frames=chunk_frames, until=until)
                return
        if not enters:
            chunks.drop()  # another version of the decoder made them


def _extend(
    chunks: Chunks,
    frames: Iterator[TimedFrame],
    before: TimedFrame | None,
    config: PackConfig,
    *,
    chunk_frames: int,
    until: int | None,
) -> Generator[int, None, None]:
    """Chunk after chunk of the frames that follow `before`."""
    last = None if before is None else before.pixels
    while not chunks.complete and chunks.end != until:
        length = chunk_frames if until is None else min(chunk_frames, until - chunks.end)
        with ChunkWriter(chunks, config) as chunk:
            for frame, flow_px in timed_with_flow(itertools.islice(frames, length), config, before=last):
                chunk.add_frame(frame)
                if flow_px is not None:
                    chunk.add_flow(flow_px)
                last = frame.pixels
                yield chunk.first + chunk.num_frames
            chunk.seal(last=chunk.num_frames < length)


def timed_with_flow(
    frames: Iterator[TimedFrame], config: PackConfig, *, before: Frame | None
) -> Iterator[tuple[TimedFrame, NDArray[np.float32] | None]]:
    """`frames_with_flow` of frames that keep their times."""
    times: collections.deque[int | None] = collections.deque()

    def pictures() -> Iterator[Frame]:
        for frame in frames:
            times.append(frame.time)
            yield frame.pixels

    for pixels, flow_px in frames_with_flow(pictures(), config, before=before):
        yield TimedFrame(pixels, times.popleft()), flow_px


def frames_with_flow(
    frames: Iterator[Frame], config: PackConfig, *, before: Frame | None = None, at_once: int | None = None
) -> Iterator[tuple[Frame, NDArray[np.float32] | None]]:
    """Every frame with the flow that leads to it, in px; a video's first has none.

    Every call makes an engine of its own, so that a chunk's flow does not depend on who did the chunks before it.

    Args:
        frames: (H, W, 3) uint8 RGB.
        config: says how flow is measured.
        before: the frame before the first, where there is one.
        at_once: pairs in a batch, held in memory together; None suits the backend and the device.
    """
    head = next(frames, None)
    if head is None:
        return
    size = (head.shape[0], head.shape[1])
    engine = make_batch_engine(config.backend, config.tvl1, size=size)
    at_once = at_once or pairs_at_once(config.backend, size=size)
    if before is None:
        yield head, None
        last = luma(head)
    else:
        frames, last = itertools.chain([head], frames), luma(before)
    while block := list(itertools.islice(frames, at_once)):
        lumas = np.stack([last, *map(luma, block)])  # (N + 1, H, W)
        yield from zip(block, engine(lumas[:-1], lumas[1:]), strict=True)
        last = lumas[-1]
