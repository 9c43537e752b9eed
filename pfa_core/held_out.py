"""The videos that a recipe learns from, those that it leaves out, and those that it holds out to test on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfa_core import seeds
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import NetConfig
from pfa_core.errors import ConfigInvalid, InputError, NoUsableVideos, VideoStill, VideoTooShort
from pfa_core.frame_store import Clip
from pfa_core.left_out import LeftOut, facts, reasons

MODEL, TRAIN, SPLIT, TEST, FIGURES = range(5)
"""Streams of randomness, so that none depends on how much another draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainVideo:
    """A video to learn from."""

    name: str
    group: str | None = None
    """Videos of one group (person, scene) are held out together."""
    split: str | None = None
    """`train`, `val` or `test`; val and test are held out."""
    pack: Clip


def identity(videos: Sequence[PretrainVideo]) -> list[str]:
    """What tells these videos from others, for `checkpoint.digest_of`."""
    return [video.pack.video_sha256 for video in videos]


def select(
    videos: Sequence[PretrainVideo], *, pack: PackConfig, net: NetConfig, min_frames: int
) -> tuple[list[PretrainVideo], list[LeftOut]]:
    """Leave out videos that are too short or in which nothing moves.

    Raises:
        NoUsableVideos: fewer than two remain.
        ConfigInvalid: a pack was made with another flow bound or working size than `pack` says.
    """
    usable, left_out = [], []
    for video in videos:
        reason = _unusable(video.pack, pack, net, min_frames)
        if reason is None:
            usable.append(video)
        else:
            left_out.append(LeftOut.of(reason, name=video.name))
    need_two(usable, left_out)
    return usable, left_out


def need_two(usable: Sequence[PretrainVideo], left_out: Sequence[LeftOut]) -> None:
    """Raises: NoUsableVideos: fewer than two videos can be used; the message has the first few reasons."""
    if len(usable) < 2:
        raise NoUsableVideos(
            f"{len(usable)} of {len(usable) + len(left_out)} videos can be used; at least 2 are needed."
            f"{reasons(left_out)}",
            left_out=facts(left_out),
        )


def _unusable(clip: Clip, pack: PackConfig, net: NetConfig, min_frames: int) -> InputError | None:
    if clip.bound_px != pack.bound_px or min(clip.size) < net.crop_px:
        raise ConfigInvalid("A pack was made with another configuration than pack.bound_px and pack.short_side_px say.")
    if clip.num_frames < min_frames:
        return VideoTooShort(num_frames=clip.num_frames, needed=min_frames)
    if clip.still:
        return VideoStill("Nothing moves in this video; there is no motion to learn from.")
    return None


def split(
    videos: Sequence[PretrainVideo], *, val_fraction: float, seed: int
) -> tuple[list[PretrainVideo], list[PretrainVideo]]:
    """Split into videos to learn from and videos held out (at least two, else none).

    Videos marked `val` or `test` are never learned from. Where there are none, whole groups are held out at random,
    as long as two videos remain to learn from.

    Raises:
        NoUsableVideos: fewer than two are left to learn from.
    """
    marked = [video for video in videos if video.split in ("val", "test")]
    if marked:
        learned = [video for video in videos if video.split not in ("val", "test")]
        if len(learned) < 2:
            raise NoUsableVideos(
                f"{len(marked)} of {len(videos)} usable videos are marked val or test; at least 2 others are needed."
            )
        return learned, marked if len(marked) >= 2 else []
    learned, held_out = _split_groups(videos, val_fraction=val_fraction, rng=seeds.generator(seed, SPLIT))
    return (list(videos), []) if min(len(learned), len(held_out)) < 2 else (learned, held_out)


def _split_groups(
    videos: Sequence[PretrainVideo], *, val_fraction: float, rng: np.random.Generator
) -> tuple[list[PretrainVideo], list[PretrainVideo]]:
    if val_fraction == 0:
        return list(videos), []
    names = [f"group {v.group}" if v.group is not None else f"video {i}" for i, v in enumerate(videos)]
    held: set[str] = set()
    order = sorted(set(names))
    rng.shuffle(order)
    for name in order:
        if sum(n in held for n in names) >= max(2, round(val_fraction * len(videos))):
            break
        held.add(name)
    return (
        [v for v, name in zip(videos, names, strict=True) if name not in held],
        [v for v, name in zip(videos, names, strict=True) if name in held],
    )
