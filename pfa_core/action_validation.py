"""How action models are validated while they learn: few crops of few frames; tests use the paper's 250 crops.

Axes: N clips, T frames, C classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.action_batches import MotionClips
from pfa_core.clips import ClipFrames, spaced
from pfa_core.config.action import ActionConfig
from pfa_core.cuts import Triplet, cut_blocks, mirrored_blocks
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb

VAL_FRAMES = 5
"""Frames of each validation clip that are looked at, and blocks of flow: centre crops and, with `flip`, mirrors."""

Validate = Callable[[nn.Module], dict[str, float]]


class Validation:
    """`accuracy` and `loss` of whole clips. Of two streams, those of the mean of their probabilities, and
    `appearance_accuracy` and `motion_accuracy`, the latter of those clips that are long enough for a block."""

    def __init__(
        self,
        clips: Sequence[ClipFrames],
        *,
        labels: tuple[str, ...],
        config: ActionConfig,
        motion: MotionClips | None = None,
    ) -> None:
        self._true = torch.tensor([labels.index(clip.clip.label) for clip in clips])
        self._crops = [
            _centres(clip.frames_u8[spaced(len(clip.frames_u8), VAL_FRAMES)], config=config) for clip in clips
        ]
        self._config = config
        self._motion = motion
        place_of = {} if motion is None else {clip: place for place, clip in enumerate(motion.clips)}
        self._places = [place_of.get(clip.clip) for clip in clips]
        """Of each clip, its place among those with motion."""

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """The figures of the weights as they are."""
        if isinstance(model, ActionNet):
            return self._figures(self._by_frames(model))
        assert isinstance(model, TwoStreamNet)
        appearance = self._by_frames(model.appearance)  # (N, C)
        has_motion = torch.tensor([place is not None for place in self._places])
        fused = appearance.clone()
        found = {"appearance_accuracy": self._figures(appearance)["accuracy"]}
        if has_motion.any():
            moving = torch.stack([self._by_blocks(model.motion, place) for place in self._places if place is not None])
            weight = self._config.motion.weight
            fused[has_motion] = (1 - weight) * appearance[has_motion] + weight * moving
            right = moving.argmax(dim=1) == self._true[has_motion]
            found["motion_accuracy"] = float(right.float().mean())
        return self._figures(fused) | found

    def _figures(self, probabilities: Tensor) -> dict[str, float]:
        right = (probabilities.argmax(dim=1) == self._true).float().mean()
        loss = functional.nll_loss(probabilities.clamp(min=1e-12).log(), self._true)
        return {"accuracy": float(right), "loss": float(loss)}

    def _by_frames(self, net: nn.Module) -> Tensor:
        """(N, C) probabilities, on the CPU."""
        device = next(net.parameters()).device
        return torch.stack([_mean(net(normalise_rgb(images.to(device)))) for images in self._crops])

    def _by_blocks(self, net: nn.Module, place: int) -> Tensor:
        """(C,) probabilities of one clip, on the CPU."""
        assert self._motion is not None
        motion, side = self._config.motion, self._config.net.crop_px
        num_frames, height, width = self._motion.sizes(place)
        top, left = (height - side) // 2, (width - side) // 2
        video = self._motion.videos[place]
        starts = spaced(num_frames - motion.gap_frames, VAL_FRAMES)
        cuts = [Triplet(video=video, first=first, top=top, left=left) for first in starts]
        blocks = cut_blocks(self._motion.store, cuts, side=side, gap=motion.gap_frames)
        if self._config.flip:
            blocks = torch.cat([blocks, mirrored_blocks(blocks)])
        device = next(net.parameters()).device
        return _mean(net(normalise_flow(blocks.to(device), bound_px=motion.pack.bound_px)))


def _mean(scores: Tensor) -> Tensor:
    return scores.float().softmax(dim=1).mean(dim=0).cpu()


def _centres(frames_u8: NDArray[np.uint8], *, config: ActionConfig) -> Tensor:
    """(T, H, W, 3) -> (T or 2 T, 3, crop_px, crop_px) uint8: centre crops, then their mirrors."""
    side = config.net.crop_px
    top, left = (frames_u8.shape[1] - side) // 2, (frames_u8.shape[2] - side) // 2
    centres = frames_u8[:, top : top + side, left : left + side]
    both = np.concatenate([centres, centres[:, :, ::-1]]) if config.flip else centres
    return torch.from_numpy(np.ascontiguousarray(both)).permute(0, 3, 1, 2)
