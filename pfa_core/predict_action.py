"""What an action model answers about an image or a clip: the 250-crop test. Source: paper section 4.3.

A model of two streams puts blocks of flow to the same test; the probabilities of a clip are the weighted mean of the
two streams' means. Source: Simonyan and Zisserman 2014, section 5.

Axes: T frames or blocks of a clip, P crops of each, S side of a crop in px, C classes.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.clip_sample import ClipSample, sample_of
from pfa_core.config.video_answers import Protocol
from pfa_core.crops import corner_places
from pfa_core.cuts import mirrored_blocks
from pfa_core.executors import Executor, ExecutorName, Numerics, Runs, as_rows, runs_of
from pfa_core.flow import make_engine
from pfa_core.manifest import ModelConfig
from pfa_core.model_settings import ActionSettings, labels_of
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb
from pfa_core.predictor import Image, Predictor, channels_first

Stream = Literal["appearance", "motion"]

FAST_FRAMES, FAST_BLOCKS = 5, 2
"""Most frames and blocks of flow that the protocol `fast` looks at."""
CROPS = 10
"""Crops of a frame: four corners and the centre, and their mirrors."""
_Map = Callable[[Tensor], Tensor]
_FRAMES = 5
"""Frames of a clip that go through the network at once, in ten crops each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPrediction:
    """What somebody does."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(C,) in the order of `labels`; they sum to 1."""
    streams: Mapping[Stream, NDArray[np.float32]]
    """What each stream that was looked at says by itself, (C,). Without `motion`, that of an image, of a clip that is
    too short, or of a model of one stream."""

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Labels with their probabilities, the most likely first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [(self.labels[i], float(self.probabilities[i])) for i in order]


class ActionPredictor(Predictor):
    """The action in an image or a clip. Source: paper section 4.3.

    A server does it in three steps: `clip_sample.read_sample`, `look` (and `look_at_motion`) at a few rows at a time,
    `finish`.
    """

    def __init__(
        self,
        module: nn.Module,
        config: ModelConfig,
        *,
        numerics: Numerics = "float32",
        device: str = "auto",
        executor: ExecutorName = "eager",
    ) -> None:
        """Raises: ModelUnsuitable: a model of another kind."""
        self.labels = labels_of(config)
        self.settings = ActionSettings.of(config)
        self._centre_only = False
        super().__init__(module, config, numerics=numerics, device=device, executor=executor)

    def _build(self, module: nn.Module, executor: Executor) -> None:
        assert isinstance(module, ActionNet | TwoStreamNet)
        make = partial(runs_of, executor=executor, crop_px=self.config.net.crop_px)
        self._appearance = make(module if isinstance(module, ActionNet) else module.appearance)
        self._motion = make(module.motion) if isinstance(module, TwoStreamNet) else None

    def __call__(self, clip: Image | ClipSample) -> ActionPrediction:
        """Name the action in an image (H, W, 3), in a clip (T, H, W, 3), all its frames, uint8 RGB, or in a sample.

        `test_frames` frames (25) spaced evenly over the clip are looked at, each in ten crops: corners, centre, and
        their mirrors; probabilities are averaged over all of them. So are those of `test_blocks` blocks of flow, where
        the model has a stream for them and the clip is long enough.
        """
        sample = clip if isinstance(clip, ClipSample) else self.sample(clip)
        scores: dict[Stream, Tensor] = {}
        for stream, rows in self.rows_of(sample).items():
            look = self.look if stream == "appearance" else self.look_at_motion
            scores[stream] = torch.cat([look(part) for part in rows.split(_FRAMES)])
        return self.finish(scores)

    def by(self, protocol: Protocol) -> "ActionPredictor":
        """The predictor with the same network that looks at clips in this way: always the same one."""
        return self if protocol == "crops250" else self._fast

    @cached_property
    def _fast(self) -> Self:
        motion = self.settings.motion
        fewer = None if motion is None else replace(motion, test_blocks=min(FAST_BLOCKS, motion.test_blocks))
        fast = copy.copy(self)
        fast.settings = replace(self.settings, test_frames=min(FAST_FRAMES, self.settings.test_frames), motion=fewer)
        fast._centre_only = True
        return fast

    @property
    def crops(self) -> int:
        """Crops of a frame, at most: those of `look`."""
        return 2 if self._centre_only else CROPS

    def sample(self, clip: Image) -> ClipSample:
        """What is looked at in an image (H, W, 3) or a clip (T, H, W, 3) of uint8 RGB."""
        return sample_of(clip if clip.ndim == 4 else clip[None], self.settings)

    def rows_of(self, sample: ClipSample) -> dict[Stream, Tensor]:
        """What each stream looks at: (T, 3, H, W) uint8 for `look`, (T, 2G, H, W) int8 for `look_at_motion`."""
        rows: dict[Stream, Tensor] = {"appearance": channels_first(sample.frames_u8)}
        if self._motion is not None and len(sample.blocks_i8):
            rows["motion"] = torch.from_numpy(sample.blocks_i8)
        return rows

    def look(self, frames_u8: Tensor) -> Tensor:
        """(T, 3, H, W) uint8 -> (T, P, C) float32 scores of each crop, on the CPU. Safe to call from any thread."""
        return self._score(self._appearance, frames_u8, normalise_rgb, _mirrored)

    def look_at_motion(self, blocks_i8: Tensor) -> Tensor:
        """(T, 2G, H, W) int8 -> (T, P, C), as `look`."""
        assert self._motion is not None
        assert self.settings.motion is not None
        bound_px = self.settings.motion.pack.bound_px
        return self._score(self._motion, blocks_i8, partial(normalise_flow, bound_px=bound_px), mirrored_blocks)

    def finish(self, scores: Mapping[Stream, Tensor]) -> ActionPrediction:
        """(T, P, C) scores of each stream that was looked at -> the answer."""
        streams = {name: rows.flatten(0, 1).softmax(dim=1).mean(dim=0).numpy() for name, rows in scores.items()}
        fused = streams["appearance"]
        if "motion" in streams:
            assert self.settings.motion is not None
            fused = fuse(fused, streams["motion"], weight=self.settings.motion.weight)
        return ActionPrediction(labels=self.labels, probabilities=fused, streams=streams)

    def warm_up(self) -> None:
        """Let the first forward pass, and the compilation of what measures flow, be over."""
        motion, side = self.settings.motion, self.config.net.crop_px
        self.look(torch.zeros((1, 3, side, side), dtype=torch.uint8))
        if motion is not None:
            self.look_at_motion(torch.zeros((1, 2 * motion.gap_frames, side, side), dtype=torch.int8))
            blank = np.zeros((side, side), np.uint8)
            make_engine(motion.pack.backend, motion.pack.tvl1, size=(side, side))(blank, blank)

    def _score(self, net: Runs, rows: Tensor, normalise: _Map, mirror: _Map) -> Tensor:
        side = self.config.net.crop_px
        places = corner_places((rows.shape[2], rows.shape[3]), crop_px=side)
        bottom, right = places[3]
        places = places[4:] if self._centre_only else places
        with torch.inference_mode():
            whole = normalise(rows[:, :, : bottom + side, : right + side].to(self.device)).to(self.dtype)
            scores = [net.score_crops(whole, places=places, crop_px=side)]
            if self.settings.flip:
                mirrored = [(top, right - left) for top, left in places]
                scores.append(net.score_crops(mirror(whole), places=mirrored, crop_px=side))
            return as_rows(torch.cat(scores).transpose(0, 1))


def fuse(appearance: NDArray[np.float32], motion: NDArray[np.float32], *, weight: float) -> NDArray[np.float32]:
    """The weighted mean of two streams' probabilities, `weight` that of motion. Shape: (..., C), twice -> (..., C)."""
    share = np.float32(weight)
    return (1 - share) * appearance + share * motion


def _mirrored(images: Tensor) -> Tensor:
    return images.flip(3)
