"""What an action model answers about an image or a clip: the 250-crop test. Source: paper section 4.3.

Axes: N rows, T frames, S side of a crop in px, C classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.clips import spaced
from pfa_core.crops import corner_crops, corner_places, scale_short_side
from pfa_core.errors import VideoTooShort
from pfa_core.manifest import ModelConfig
from pfa_core.model_settings import ActionSettings, labels_of
from pfa_core.nets.action import ActionNet, shares_first_layer
from pfa_core.predictor import Image, Numerics, Predictor, Prepared, channels_first, checked_image

_FRAMES = 5
"""Frames of a clip that go through the network at once, in ten crops each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPrediction:
    """What somebody does."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(C,) in the order of `labels`; they sum to 1."""

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Labels with their probabilities, the most likely first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [(self.labels[i], float(self.probabilities[i])) for i in order]


class ActionPredictor(Predictor):
    """The action in an image or a clip. Source: paper section 4.3, the 250-crop test."""

    def __init__(
        self, module: nn.Module, config: ModelConfig, *, numerics: Numerics = "float32", device: str = "auto"
    ) -> None:
        """Raises: ModelUnsuitable: a model of another kind."""
        self.labels = labels_of(config)
        self.settings = ActionSettings.of(config)
        assert isinstance(module, ActionNet)
        self._net = module
        super().__init__(module, config, numerics=numerics, device=device)

    def __call__(self, frames: Image) -> ActionPrediction:
        """Name the action in an image (H, W, 3) or in the frames of a clip (T, H, W, 3), uint8 RGB.

        `test_frames` frames (25) spaced evenly over the clip are looked at, each in ten crops: corners, centre, and
        their mirrors; probabilities are averaged over all of them.
        """
        if shares_first_layer(self.config.net.crop_px):
            scores = [self._score(part) for part in channels_first(self._scaled(frames)).split(_FRAMES)]
        else:
            scores = [self.forward(part) for part in self.prepare(frames).rows_u8.split(10 * _FRAMES)]
        return self.finish(torch.cat(scores))

    def prepare(self, frames: Image) -> Prepared[None]:
        """Ten rows a frame."""
        crops = corner_crops(self._scaled(frames), crop_px=self.config.net.crop_px)  # (T, 10, S, S, 3)
        return Prepared(channels_first(crops.reshape(-1, *crops.shape[2:])), None)

    def _scaled(self, frames: Image) -> Image:
        """(T, H, W, 3) those frames that are looked at, at working size."""
        clip = frames if frames.ndim == 4 else frames[None]
        if len(clip) == 0:
            raise VideoTooShort(num_frames=0, needed=1)
        chosen = clip[spaced(len(clip), self.settings.test_frames)]
        return np.stack([scale_short_side(checked_image(frame), self.settings.short_side_px) for frame in chosen])

    def _score(self, frames_u8: Tensor) -> Tensor:
        """(T, 3, H, W) -> (10 T, C): as `forward` over `prepare`'s rows in another order, with shared first layers."""
        side = self.config.net.crop_px
        places = corner_places((frames_u8.shape[2], frames_u8.shape[3]), crop_px=side)
        (bottom, right) = places[3]
        with torch.inference_mode():
            frames = self._images(frames_u8[:, :, : bottom + side, : right + side])
            mirrored = [(top, right - left) for top, left in places]
            scores = [
                self._net.score_crops(frames, places=places, crop_px=side),
                self._net.score_crops(frames.flip(3), places=mirrored, crop_px=side),
            ]
            return torch.cat(scores).float().cpu()

    def finish(self, rows: Tensor, _place: None = None) -> ActionPrediction:
        """(N, C) scores of one input -> the answer."""
        return ActionPrediction(labels=self.labels, probabilities=rows.softmax(dim=1).mean(dim=0).numpy())
