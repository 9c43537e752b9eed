"""What an action finetuning learns from: crops of frames, and blocks of flow.

Axes: B batch, T frames, G gap (flow maps of one direction in a block), S side of a crop in px.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pfa_core.clips import ClipFrames, LabelledClip
from pfa_core.config.action import ActionConfig
from pfa_core.cuts import Triplet, cut_blocks
from pfa_core.errors import ConfigInvalid
from pfa_core.frame_store import Clip, FrameStore
from pfa_core.progress import Progress
from pfa_core.seeds import generator

CROPS, BLOCKS = 2, 5
"""Streams of randomness."""


@dataclass(frozen=True, slots=True)
class ActionBatch:
    """What one step of the Action ConvNet learns from."""

    crops_u8: Tensor
    """(B, 3, S, S) uint8."""
    labels: Tensor
    """(B,) int64."""


@dataclass(frozen=True, slots=True)
class MotionBatch:
    """What one step of the motion stream learns from."""

    blocks_i8: Tensor
    """(B, 2G, S, S) int8."""
    labels: Tensor
    """(B,) int64."""


@dataclass(frozen=True, slots=True)
class TwoStreamBatch:
    """What one step of both streams learns from; each has a draw of its own."""

    frames: ActionBatch
    blocks: MotionBatch


class ActionBatches:
    """The batches of a run: random crops of random frames of random clips, a pure function of (clips, seed, step)."""

    def __init__(
        self, clips: Sequence[ClipFrames], *, labels: tuple[str, ...], config: ActionConfig, seed: int
    ) -> None:
        self._clips = clips
        self._labels = np.array([labels.index(clip.clip.label) for clip in clips])
        self._config = config
        self._seed = seed

    def __call__(self, step: int) -> ActionBatch:
        """The batch of step 0, 1, ..."""
        rng = generator(self._seed, CROPS, step)
        side = self._config.net.crop_px
        chosen = rng.integers(len(self._clips), size=self._config.learn.batch_size)
        crops_u8 = np.empty((len(chosen), side, side, 3), dtype=np.uint8)
        for row, place in enumerate(chosen):
            frames = self._clips[place].frames_u8  # (T, H, W, 3)
            top, left = rng.integers(frames.shape[1] - side + 1), rng.integers(frames.shape[2] - side + 1)
            crop = frames[rng.integers(len(frames)), top : top + side, left : left + side]
            mirrored = self._config.flip and rng.random() < 0.5
            crops_u8[row] = crop[:, ::-1] if mirrored else crop
        return ActionBatch(torch.from_numpy(crops_u8).permute(0, 3, 1, 2), torch.from_numpy(self._labels[chosen]))


class MotionClips:
    """The flow of labelled clips, from their packs."""

    def __init__(self, clips: Sequence[LabelledClip], store: FrameStore, videos: Sequence[int]) -> None:
        self.clips = tuple(clips)
        """Those that are long enough for a block."""
        self.store = store
        self.videos = tuple(videos)
        """Of each clip, its place in the store."""

    @classmethod
    def of(
        cls,
        clips: Sequence[LabelledClip],
        packs: Mapping[Path, Clip],
        *,
        config: ActionConfig,
        cache_bytes: int,
        device: torch.device,
    ) -> Self:
        """Leave out clips that have no pack or are too short: their frames are learned from all the same.

        Raises:
            ConfigInvalid: a pack was made with another flow bound or working size than `config.motion.pack` says.
        """
        motion = config.motion
        usable = [clip for clip in clips if clip.path in packs and packs[clip.path].num_frames >= motion.min_frames]
        places = {path: place for place, path in enumerate(dict.fromkeys(clip.path for clip in usable))}
        for path in places:
            if packs[path].bound_px != motion.pack.bound_px or min(packs[path].size) != motion.pack.short_side_px:
                raise ConfigInvalid(
                    f"The pack of {path.name} was made with another configuration than motion.pack says."
                )
        store = FrameStore([packs[path] for path in places], cache_bytes=cache_bytes, device=device, flow_alone=True)
        return cls(usable, store, [places[clip.path] for clip in usable])

    def load(self) -> Generator[Progress, None, None]:
        """Read into memory what fits; see `FrameStore.load`."""
        yield from self.store.load()

    def among(self, clips: Iterable[LabelledClip]) -> Self:
        """Those of `clips` alone, from the same store."""
        wanted = set(clips)
        kept = [(clip, video) for clip, video in zip(self.clips, self.videos, strict=True) if clip in wanted]
        return type(self)([clip for clip, _ in kept], self.store, [video for _, video in kept])

    def sizes(self, place: int) -> tuple[int, int, int]:
        """Frames, lines and columns of a clip."""
        video = self.videos[place]
        return (self.store.num_frames[video], *self.store.sizes[video])


class MotionBatches:
    """Random blocks of random clips, cut and mirrored as in pretraining, but never played backwards: that can be
    another action. A pure function of (clips, seed, step)."""

    def __init__(self, clips: MotionClips, *, labels: tuple[str, ...], config: ActionConfig, seed: int) -> None:
        self._clips = clips
        self._labels = np.array([labels.index(clip.label) for clip in clips.clips])
        self._config = config
        self._seed = seed

    def __call__(self, step: int) -> MotionBatch:
        """The batch of step 0, 1, ..."""
        rng = generator(self._seed, BLOCKS, step)
        side, gap = self._config.net.crop_px, self._config.motion.gap_frames
        chosen = rng.integers(len(self._clips.clips), size=self._config.learn.batch_size)
        cuts = []
        for place in chosen.tolist():
            num_frames, height, width = self._clips.sizes(place)
            cuts.append(
                Triplet(
                    video=self._clips.videos[place],
                    first=int(rng.integers(num_frames - gap)),
                    top=int(rng.integers(height - side + 1)),
                    left=int(rng.integers(width - side + 1)),
                    mirrored=bool(self._config.flip and rng.random() < 0.5),
                )
            )
        blocks_i8 = cut_blocks(self._clips.store, cuts, side=side, gap=gap)
        return MotionBatch(blocks_i8, torch.from_numpy(self._labels[chosen]))


def batches_of(
    samples: Sequence[ClipFrames],
    motion: MotionClips | None,
    *,
    labels: tuple[str, ...],
    config: ActionConfig,
    seed: int,
) -> Callable[[int], ActionBatch | TwoStreamBatch]:
    """The batch of each step, of one stream or, with the flow of the clips, of two."""
    frames = ActionBatches(samples, labels=labels, config=config, seed=seed)
    if motion is None:
        return frames
    blocks = MotionBatches(motion, labels=labels, config=config, seed=seed)
    return lambda step: TwoStreamBatch(frames(step), blocks(step))
