"""Packs: the frames of a video at working size and the flow between them, for random access.

A pack is immutable and content-addressed (`pack_key`): built once per video and configuration, then shared by every
job. `pack_format` tells how it lies on disk, `pack_chunks` how it looks while it is made.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.durable import flush
from pfa_core.errors import InputError, PackDamaged, VideoTooShort
from pfa_core.flow import luma, make_batch_engine, pairs_at_once
from pfa_core.pack_chunks import Chunks
from pfa_core.pack_format import BUILDING, beside, discard, pack_key
from pfa_core.pack_lock import LOCK_POLL_S, PackLock
from pfa_core.pack_reader import Pack
from pfa_core.pack_writer import assemble
from pfa_core.progress import Progress
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits

__all__ = ["Pack", "build_pack", "pack_key"]

CHUNK_FRAMES = 256
"""Frames after which a build that is killed need not begin again: some seconds of TV-L1."""

Frame = NDArray[np.uint8]


def build_pack(
    video: Path,
    folder: Path,
    config: PackConfig,
    *,
    video_sha256: str,
    limits: DecodeLimits,
    expected_frames: int = 0,
    chunk_frames: int = CHUNK_FRAMES,
) -> Generator[Progress, None, Pack]:
    """Decode a video once, measure the flow between its frames, and write both as a pack.

    If `folder` holds a pack that verifies, it is returned at once: whoever builds before reading has every checksum
    compared. A damaged one is replaced. It is built beside `folder`, in chunks, and renamed to it when complete, so
    `folder` is always absent or whole. Builders of one pack, in whatever process, take turns: the second waits, then
    finds the first one's pack. A build that was closed or killed goes on from its last whole chunk, and the pack is
    the same, byte by byte. Memory does not depend on the video's length.

    Args:
        video: the file.
        folder: where the pack goes; name it by `pack_key`.
        config: working size, flow and coding.
        video_sha256: of the file, recorded in the pack.
        limits: caps on decoding.
        expected_frames: how many frames the video is thought to have, for the progress's `total` only.
        chunk_frames: length of a chunk; the pack does not depend on it.

    Raises:
        VideoTooShort: fewer than 2 frames.
        VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: see `pfa_core.errors`.
        PackDamaged: what was written moments ago does not read back.
    """
    with contextlib.closing(PackLock(folder)) as lock:
        while not lock.take():
            yield Progress(phase="flow", step=0, total=expected_frames)
            time.sleep(LOCK_POLL_S)
        with contextlib.suppress(PackDamaged):
            pack = Pack.open(folder)
            os.utime(folder)  # when it was last asked for
            return pack
        discard(folder)
        chunks = Chunks(beside(folder, BUILDING), key=pack_key(video_sha256, config), config=config)
        try:
            chunks.resume()
            for step in _fill(chunks, video, config, limits=limits, chunk_frames=chunk_frames):
                yield Progress(phase="flow", step=step, total=max(expected_frames, step) if expected_frames else 0)
            if chunks.num_frames < 2:
                raise VideoTooShort(num_frames=chunks.num_frames, needed=2)
            whole = chunks.folder / "pack"
            whole.mkdir()
            for _ in assemble(chunks, whole, config, video_sha256=video_sha256):
                yield Progress(phase="flow", step=chunks.num_frames, total=chunks.num_frames)
            whole.rename(folder)
            flush(folder.parent)
        except InputError:  # it would be the same the next time
            chunks.remove()
            raise
        finally:
            if chunks.num_frames == 0 or folder.exists():
                chunks.remove()
        return Pack.open(folder, verify=False)


def _fill(
    chunks: Chunks, video: Path, config: PackConfig, *, limits: DecodeLimits, chunk_frames: int
) -> Generator[int, None, None]:
    """Write the chunks that are missing; yields the number of frames done."""
    if chunks.complete:
        return
    with contextlib.closing(read_frames(video, limits=limits, short_side_px=config.short_side_px)) as frames:
        before: Frame | None = None
        for frame in itertools.islice(frames, chunks.num_frames):  # decoded again, but decoding is cheap
            before = frame
            yield chunks.num_frames
        while not chunks.complete:
            with chunks.begin() as chunk:
                for frame, flow_px in frames_with_flow(itertools.islice(frames, chunk_frames), config, before=before):
                    chunk.add_frame(frame)
                    if flow_px is not None:
                        chunk.add_flow(flow_px)
                    before = frame
                    yield chunk.first + chunk.num_frames
                chunk.seal(last=chunk.num_frames < chunk_frames)


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
