"""The packs of labelled clips, made one after the other where they are missing: what a two-stream run learns from.

A job has them made by all cores and helpers instead (`workers.flow_packs`); the packs are the same.
"""

from collections.abc import Generator, Sequence
from pathlib import Path

from pfa_core.clips import LabelledClip
from pfa_core.config.flow import PackConfig
from pfa_core.durable import sha256_of
from pfa_core.errors import InputError, VideoUnreadable
from pfa_core.left_out import LeftOut, opening
from pfa_core.packs import Pack, build_pack, pack_key
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits


def packs_of_clips(
    clips: Sequence[LabelledClip], config: PackConfig, *, folder: Path, limits: DecodeLimits | None = None
) -> Generator[Progress, None, tuple[dict[Path, Pack], list[LeftOut]]]:
    """Make or find the pack of every clip that is a video.

    Args:
        clips: still images have none.
        config: `ActionConfig.motion.pack`.
        folder: holds the packs, each in a folder named by its `pack_key`; those that are there are used.

    Returns:
        By `LabelledClip.path`, the packs; and the clips that cannot have one.
    """
    packs: dict[Path, Pack] = {}
    left_out: list[LeftOut] = []
    videos = [clip for clip in clips if not clip.still]
    for number, clip in enumerate(videos):
        yield Progress(phase="flow", step=number, total=len(videos))
        if clip.path in packs:
            continue
        try:
            with opening(VideoUnreadable):
                sha = sha256_of(clip.path)
                target = folder / pack_key(sha, config)
                target.parent.mkdir(parents=True, exist_ok=True)
                steps = build_pack(clip.path, target, config, video_sha256=sha, limits=limits or DecodeLimits())
                packs[clip.path] = yield from _as_steps(steps, number, len(videos))
        except InputError as error:
            left_out.append(LeftOut.of(error, name=clip.name, path=clip.path))
    return packs, left_out


def _as_steps(steps: Generator[Progress, None, Pack], number: int, total: int) -> Generator[Progress, None, Pack]:
    """The progress of one pack as part of that of all."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            pack: Pack = end.value
            return pack
        yield Progress(phase="flow", step=number, total=total)
