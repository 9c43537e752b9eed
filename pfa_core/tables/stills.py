"""Labelled still images, made of labelled clips where there are none of their own. Source: paper section 4.4."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pfa_core.clips import LabelledClip, spaced
from pfa_core.durable import sha256_of, write_atomic
from pfa_core.errors import InputError, VideoUnreadable
from pfa_core.images import write_png
from pfa_core.left_out import LeftOut, opening
from pfa_core.progress import Progress
from pfa_core.tables.sources import ActionSet
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe


def stills_of(
    clips: ActionSet, folder: Path, *, name: str, per_clip: int, limits: DecodeLimits
) -> Generator[Progress, None, tuple[ActionSet, list[LeftOut]]]:
    """Frames of every clip as images, written once: the middle one of each of `per_clip` equal stretches.

    Args:
        folder: where `<sha256 of the clip>-<frame>.png` go, at the size of the video.

    Returns:
        The images, which share their clip's label, split and group (without a group, the clip is the group); and the
        clips that do not read.

    Raises:
        DatasetUnsuitable: see `ActionSet`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images: list[LabelledClip] = []
    left_out: list[LeftOut] = []
    for number, clip in enumerate(clips.clips, start=1):
        try:
            paths = _frames(clip, clips.contents[clip.path], folder, per_clip=per_clip, limits=limits)
        except InputError as error:
            left_out.append(LeftOut.of(error, name=clip.name, path=clip.path))
        else:
            group = clip.name if clip.group is None else clip.group
            still = replace(clip, group=group, still=True, num_frames=None)
            images += [replace(still, name=f"{clip.name}#{i}", path=path) for i, path in enumerate(paths)]
        yield Progress(phase="stills", step=number, total=len(clips.clips))
    contents = {image.path: sha256_of(image.path) for image in images}
    return ActionSet(name=name, clips=tuple(images), contents=contents), left_out


def middles(num_frames: int, count: int) -> list[int]:
    """The middle frame of each of `count` equal stretches; every frame where there are fewer."""
    if num_frames <= count:
        return spaced(num_frames, count)
    return [(2 * i + 1) * num_frames // (2 * count) for i in range(count)]


def _frames(clip: LabelledClip, sha256: str, folder: Path, *, per_clip: int, limits: DecodeLimits) -> list[Path]:
    """Raises: InputError: the clip does not read."""
    with opening(VideoUnreadable):
        info = probe(clip.path, limits=limits)
    chosen = middles(info.num_frames if clip.num_frames is None else clip.num_frames, per_clip)
    paths = [folder / f"{sha256}-{frame:06d}.png" for frame in chosen]
    if all(path.is_file() for path in paths):
        return paths
    size_px = min(info.height_px, info.width_px)
    written = []
    with closing(read_frames(clip.path, limits=limits, short_side_px=size_px, indices=chosen)) as frames:
        for path, frame in zip(paths, frames, strict=False):
            write_atomic(path, write_png(frame))
            written.append(path)
    if not written:
        raise VideoUnreadable("No frame of the video decodes.")
    return written
