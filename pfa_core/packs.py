"""Packs: the frames of a video at working size and the flow between them, for random access.

A pack is immutable and content-addressed (`pack_key`): built once per video and configuration, then shared by every
job. `pack_format` tells how it lies on disk, `pack_chunks` how it looks while it is made.
"""

import contextlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from pfa_core.config.flow import PackConfig
from pfa_core.durable import flush
from pfa_core.errors import DecodeTimeout, InputError, PackDamaged, VideoTooShort
from pfa_core.pack_chunks import Chunks
from pfa_core.pack_fill import fill
from pfa_core.pack_format import BUILDING, beside, discard, pack_key
from pfa_core.pack_lock import PackLock
from pfa_core.pack_reader import Pack
from pfa_core.pack_writer import assemble
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits

__all__ = ["Pack", "build_pack", "build_part", "forget_parts", "pack_key"]

CHUNK_FRAMES = 256
"""Frames after which a build that is killed need not begin again: some seconds of TV-L1."""


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
        for _ in lock.wait():
            yield Progress(phase="flow", step=0, total=expected_frames)
        with contextlib.suppress(PackDamaged):
            pack = Pack.open(folder)
            os.utime(folder)  # when it was last asked for
            return pack
        discard(folder)
        chunks = Chunks(beside(folder, BUILDING), key=pack_key(video_sha256, config))
        try:
            chunks.resume()
            chunks.tidy()
            for step in fill(chunks, video, config, limits=limits, chunk_frames=chunk_frames):
                yield Progress(phase="flow", step=step, total=max(expected_frames, step) if expected_frames else 0)
            if chunks.end < 2:
                raise VideoTooShort(num_frames=chunks.end, needed=2)
            whole = chunks.folder / "pack"
            whole.mkdir()
            for _ in assemble(chunks, whole, config, video_sha256=video_sha256):
                yield Progress(phase="flow", step=chunks.end, total=chunks.end)
            whole.rename(folder)
            flush(folder.parent)
        except InputError:  # it would be the same the next time
            chunks.remove()
            raise
        finally:
            if chunks.end == 0 or folder.exists():
                chunks.remove()
        return Pack.open(folder, verify=False)


def build_part(
    video: Path,
    folder: Path,
    config: PackConfig,
    *,
    video_sha256: str,
    limits: DecodeLimits,
    first_frame: int,
    num_frames: int | None,
    chunk_frames: int = CHUNK_FRAMES,
) -> Generator[Progress, None, bool]:
    """Make a range of a pack's frames, with the flow that leads to each, for `build_pack` to find.

    Any number of builders may make parts of one pack at once, in whatever process; none makes what another has made or
    is making. A part that was given up goes on from its last whole chunk. Where the parts of a video meet is no matter:
    `build_pack` puts together what joins, makes what is missing, and the pack is the same.

    Args:
        video, folder, config, video_sha256, limits, chunk_frames: as for `build_pack`.
        first_frame: index of the part's first frame; past the video's end there is nothing to do.
        num_frames: length of the part; None: to the video's end, wherever that is.

    Yields:
        Frames of the part done.

    Returns:
        Whether there is nothing left to do; False: another builder has this part, or the pack, in hand just now.

    Raises:
        As `build_pack`: of the whole video, for whoever meets it.
    """
    try:
        with contextlib.closing(PackLock(folder)) as pack_lock:
            if not pack_lock.take(shared=True):
                return False
            with contextlib.suppress(PackDamaged):
                Pack.open(folder, verify=False)
                return True
            chunks = Chunks(beside(folder, BUILDING), key=pack_key(video_sha256, config), first=first_frame)
            with contextlib.closing(PackLock(chunks.folder / f"{first_frame:09d}")) as part_lock:
                if not part_lock.take():
                    return False
                until = None if num_frames is None else first_frame + num_frames
                chunks.resume(until)
                steps = fill(chunks, video, config, limits=limits, chunk_frames=chunk_frames, until=until)
                for step in steps:
                    yield Progress(phase="flow", step=step - first_frame, total=num_frames or 0)
                return True
    except DecodeTimeout:
        if first_frame == 0 or chunks.end > first_frame:
            raise
        return True  # only the way to it took too long; `build_pack`, which is on the way, makes it
    except InputError:
        forget_parts(folder)
        raise


def forget_parts(folder: Path) -> None:
    """Remove what was made of a pack that cannot be, unless somebody is at work at it: who comes last removes it."""
    with contextlib.closing(PackLock(folder)) as lock:
        if lock.take():
            shutil.rmtree(beside(folder, BUILDING), ignore_errors=True)
