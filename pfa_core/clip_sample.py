"""What an action model looks at in a clip: frames, and blocks of flow.

A two-stream model is tested on clips that have no pack: the flow of their blocks is measured here, from the same
frames, by the same code and in the same codes as a pack's, so that tests see what was trained on.

Axes: T frames, N blocks, G gap (flow maps of one direction in a block), H rows, W columns.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfa_core.clips import LabelledClip, spaced
from pfa_core.config.action import MotionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.crops import scale_short_side
from pfa_core.errors import ImageUnreadable, VideoTooShort, VideoUnreadable
from pfa_core.images import read_image
from pfa_core.left_out import opening
from pfa_core.model_settings import ActionSettings
from pfa_core.pack_fill import frames_with_flow
from pfa_core.predictor import Image, checked_image
from pfa_core.quantize import quantize
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

FlowMaps = NDArray[np.int8]
"""(2, H, W): x, then y; 127 stands for the flow bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSample:
    """What is looked at in one clip or image, at working size."""

    frames_u8: NDArray[np.uint8]
    """(T, H, W, 3) RGB, T >= 1."""
    blocks_i8: NDArray[np.int8]
    """(N, 2G, H, W): x-maps, then y-maps. N = 0: an image, a clip that is too short, or a model that sees no flow."""


def read_sample(clip: LabelledClip, settings: ActionSettings, *, limits: DecodeLimits) -> ClipSample:
    """Decode what is looked at, and no more than that is ever in memory.

    Raises:
        InputError: the file does not open or read.
    """
    with opening(ImageUnreadable if clip.still else VideoUnreadable):
        if clip.still:
            return sample_of(read_image(clip.path.read_bytes(), max_pixels=limits.max_pixels)[None], settings)
        num_frames = probe(clip.path, limits=limits).num_frames if clip.num_frames is None else clip.num_frames
        plan = _Plan(num_frames, settings)
        side_px = settings.short_side_px
        with closing(read_frames(clip.path, limits=limits, short_side_px=side_px, indices=plan.indices)) as frames:
            return plan.gather(frames)


def sample_of(clip: NDArray[np.uint8], settings: ActionSettings) -> ClipSample:
    """The same from a clip in memory, (T, H, W, 3), or an image, T = 1.

    Raises:
        VideoTooShort: T = 0.
        ImageUnreadable: not uint8 RGB.
    """
    if len(clip) == 0:
        raise VideoTooShort(num_frames=0, needed=1)
    plan = _Plan(len(clip), settings)
    return plan.gather(scale_short_side(checked_image(clip[index]), settings.short_side_px) for index in plan.indices)


class _Plan:
    """Which frames of a clip are needed, and for what."""

    def __init__(self, num_frames: int, settings: ActionSettings) -> None:
        self._frames = set(spaced(num_frames, settings.test_frames))
        self._motion = settings.motion
        self._starts = [] if self._motion is None else block_starts(num_frames, self._motion)
        gap = 0 if self._motion is None else self._motion.gap_frames
        self._maps = {start + i for start in self._starts for i in range(gap)}
        self.indices = sorted(self._frames | self._maps | {i + 1 for i in self._maps})

    def gather(self, frames: Iterable[Image]) -> ClipSample:
        """Take the frames of `indices`, in order.

        Raises:
            VideoUnreadable: there are none.
        """
        kept: list[Image] = []
        flows: dict[int, FlowMaps] = {}
        left = iter(frames)
        for run in self._runs():
            for index, frame, flow in self._look(run, itertools.islice(left, len(run))):
                if index in self._frames:
                    kept.append(frame)
                if flow is not None:
                    flows[index - 1] = flow
        if not kept:
            raise VideoUnreadable("No frame of the video decodes.")
        return ClipSample(frames_u8=np.stack(kept), blocks_i8=self._blocks(flows, size=kept[0].shape[:2]))

    def _runs(self) -> Iterator[Sequence[int]]:
        """Stretches of `indices` within which the flow from each frame to the next is wanted."""
        start = 0
        for place, index in enumerate(self.indices):
            if index not in self._maps:  # a map's next frame is always among the indices
                yield self.indices[start : place + 1]
                start = place + 1

    def _look(self, run: Sequence[int], frames: Iterator[Image]) -> Iterator[tuple[int, Image, FlowMaps | None]]:
        if len(run) == 1 or self._motion is None:
            yield from ((index, frame, None) for index, frame in zip(run, frames, strict=False))
            return
        pack: PackConfig = self._motion.pack
        for index, (frame, flow_px) in zip(run, frames_with_flow(frames, pack), strict=False):
            yield index, frame, None if flow_px is None else _codes(flow_px, bound_px=pack.bound_px)

    def _blocks(self, flows: dict[int, FlowMaps], *, size: tuple[int, ...]) -> NDArray[np.int8]:
        """Those whose maps are all there: a video may have fewer frames than it says."""
        if self._motion is None:
            return np.zeros((0, 2, *size), np.int8)
        gap = self._motion.gap_frames
        whole = [start for start in self._starts if all(start + i in flows for i in range(gap))]
        blocks = np.empty((len(whole), 2, gap, *size), np.int8)
        for block, start in zip(blocks, whole, strict=True):
            for i in range(gap):
                block[:, i] = flows[start + i]
        return blocks.reshape(len(whole), 2 * gap, *size)


def block_starts(num_frames: int, motion: MotionConfig) -> list[int]:
    """First frames of the blocks that a test looks at, spaced evenly; none of a clip that is too short."""
    return spaced(max(0, num_frames - motion.gap_frames), motion.test_blocks)


def _codes(flow_px: NDArray[np.float32], *, bound_px: float) -> FlowMaps:
    """(H, W, 2) px -> what a pack would hold."""
    return quantize(np.ascontiguousarray(flow_px.transpose(2, 0, 1)), bound_px=bound_px)
