"""What trained models answer about images and clips.

Each predictor is callable, and also split in three, so that a server can batch many requests into one forward pass:
`prepare` (one input -> rows of crops), `forward` (rows of any number of inputs -> rows), `finish` (one input's rows ->
its answer). `forward` may be called with rows of several inputs, concatenated.

Axes: N rows, K joints, C classes, T frames, S side of a crop in px, D length of the fc6 feature.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.clips import spaced
from pfa_core.crops import PersonCrop, box_crop, corner_crops, corner_places, scale_short_side
from pfa_core.devices import device_of, placed
from pfa_core.errors import ImageUnreadable, VideoTooShort
from pfa_core.heatmaps import decode
from pfa_core.manifest import ModelConfig
from pfa_core.model_settings import ActionSettings, PoseSettings, joints_of, labels_of
from pfa_core.models import appearance_of, load_model
from pfa_core.nets.action import ActionNet, shares_first_layer
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.people import Box
from pfa_core.skeleton import JointSet

Numerics = Literal["float32", "bfloat16"]
"""Number format of weights and activations; bfloat16 answers within 1e-2 of float32 (relative norm)."""

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

P = TypeVar("P")
"""What `finish` needs to know of an input."""


@dataclass(frozen=True, slots=True)
class Prepared(Generic[P]):
    """One input, ready for the network."""

    rows_u8: Tensor
    """(N, 3, S, S) uint8 RGB; N is 1, or 10 per frame for an action model."""
    place: P
    """Goes to `finish`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PosePrediction:
    """Where the joints of one person are."""

    joints: JointSet
    keypoints_px: NDArray[np.float32]
    """(K, 2) image px, (x, y); may lie outside the image where the crop does."""
    scores: NDArray[np.float32]
    """(K,) in [0, 1]: mean of the cells read out, background 0, joint 1."""
    visible: NDArray[np.bool_] | None = None
    """(K,) whether each score reaches the model's threshold for it (`visibility.visible_thresholds`); the others are
    occluded, outside the crop or not there. None: the model has no thresholds."""
    heatmaps: NDArray[np.float32]
    """(K, h, w) about -1 (background) to +1 (joint)."""
    cells_to_image: NDArray[np.float64]
    """(2, 3) affine from heatmap cells (column, row) to image px."""
    crop: PersonCrop


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


class _Predictor:
    """A network in evaluation mode, on its device, in its number format."""

    def __init__(
        self, module: nn.Module, config: ModelConfig, *, numerics: Numerics = "float32", device: str = "auto"
    ) -> None:
        """Take `module` over: it is moved and converted in place."""
        self.config = config
        self.device = device_of(device)
        self.dtype = torch.bfloat16 if numerics == "bfloat16" else torch.float32
        self.module = placed(module.to(self.dtype).eval(), self.device)

    @classmethod
    def load(
        cls, folder: Path | str, *, numerics: Numerics = "float32", device: str = "auto", verify: bool = True
    ) -> Self:
        """Read a model folder.

        Raises:
            ModelDamaged: see `models.load_model`.
            ModelUnsuitable: a model of another kind.
        """
        module, manifest = load_model(Path(folder), verify=verify)
        return cls(module, manifest.config, numerics=numerics, device=device)

    def forward(self, rows_u8: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> (N, ...) float32 on the CPU. Safe to call from any thread."""
        with torch.inference_mode():
            return self.module(self._images(rows_u8)).float().cpu()

    def _images(self, rows_u8: Tensor) -> Tensor:
        return normalise_rgb(rows_u8.to(self.device)).to(self.dtype)


class PosePredictor(_Predictor):
    """Joints of the person in an image. Source: paper section 4.2."""

    def __init__(
        self, module: nn.Module, config: ModelConfig, *, numerics: Numerics = "float32", device: str = "auto"
    ) -> None:
        """Raises: ModelUnsuitable: a model of another kind."""
        self.joints = joints_of(config)
        self.settings = PoseSettings.of(config)
        super().__init__(module, config, numerics=numerics, device=device)

    def __call__(self, image: Image, *, box: Box | None = None) -> PosePrediction:
        """Find the joints of one person.

        Args:
            image: (H, W, 3) uint8 RGB.
            box: (x, y, w, h) px, the person region itself: the network sees the square around it. None: the square
                around the whole image.

        Raises:
            BoxOutsideImage: the box does not touch the image.
        """
        prepared = self.prepare(image, box=box)
        return self.finish(self.forward(prepared.rows_u8), prepared.place)

    def prepare(self, image: Image, *, box: Box | None = None) -> Prepared[PersonCrop]:
        """One row: the crop around the box, or around the whole image."""
        return _prepare_crop(image, box, crop_px=self.config.net.crop_px)

    def finish(self, rows: Tensor, crop: PersonCrop) -> PosePrediction:
        """(1, K, h, w) heatmaps -> the answer."""
        settings = self.settings
        keypoints_px, scores = decode(
            rows, crop_px=crop.crop_px, top_cells=settings.top_cells, sub_cell=settings.sub_cell
        )
        found = scores[0].numpy()
        return PosePrediction(
            joints=self.joints,
            keypoints_px=crop.to_image(keypoints_px[0].numpy().astype(np.float64)).astype(np.float32),
            scores=found,
            visible=None if settings.visible_from is None else found >= np.array(settings.visible_from),
            heatmaps=rows[0].numpy(),
            cells_to_image=crop.cells_to_image(rows.shape[-1]),
            crop=crop,
        )


class ActionPredictor(_Predictor):
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
            scores = [self._score(part) for part in _channels_first(self._scaled(frames)).split(_FRAMES)]
        else:
            scores = [self.forward(part) for part in self.prepare(frames).rows_u8.split(10 * _FRAMES)]
        return self.finish(torch.cat(scores))

    def prepare(self, frames: Image) -> Prepared[None]:
        """Ten rows a frame."""
        crops = corner_crops(self._scaled(frames), crop_px=self.config.net.crop_px)  # (T, 10, S, S, 3)
        return Prepared(_channels_first(crops.reshape(-1, *crops.shape[2:])), None)

    def _scaled(self, frames: Image) -> Image:
        """(T, H, W, 3) those frames that are looked at, at working size."""
        clip = frames if frames.ndim == 4 else frames[None]
        if len(clip) == 0:
            raise VideoTooShort(num_frames=0, needed=1)
        chosen = clip[spaced(len(clip), self.settings.test_frames)]
        return np.stack([scale_short_side(_checked(frame), self.settings.short_side_px) for frame in chosen])

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


class FeatureExtractor(_Predictor):
    """fc6 of an image, after its ReLU, without dropout. Source: paper section 4.1, "closest pairs"."""

    def __init__(
        self, module: nn.Module, config: ModelConfig, *, numerics: Numerics = "float32", device: str = "auto"
    ) -> None:
        """Raises: ModelUnsuitable: a pose model, which ends before fc6."""
        net = appearance_of(module)
        self.num_features = net.out_features
        super().__init__(net, config, numerics=numerics, device=device)

    def __call__(self, image: Image, *, box: Box | None = None) -> NDArray[np.float32]:
        """(D,) the feature of the square around the box, or around the whole image; see `PosePredictor`."""
        prepared = self.prepare(image, box=box)
        return self.finish(self.forward(prepared.rows_u8), prepared.place)

    def prepare(self, image: Image, *, box: Box | None = None) -> Prepared[PersonCrop]:
        """One row: the crop around the box, or around the whole image."""
        return _prepare_crop(image, box, crop_px=self.config.net.crop_px)

    def finish(self, rows: Tensor, _crop: PersonCrop) -> NDArray[np.float32]:
        """(1, D) -> (D,)."""
        return rows[0].numpy()


_FRAMES = 5
"""Frames of a clip that go through the network at once, in ten crops each."""


def _prepare_crop(image: Image, box: Box | None, *, crop_px: int) -> Prepared[PersonCrop]:
    height, width = _checked(image).shape[:2]
    crop = box_crop(box, size=(height, width), crop_px=crop_px)
    return Prepared(_channels_first(crop.cut(image)[None]), crop)


def _checked(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageUnreadable(f"An image is an (H, W, 3) uint8 array, RGB; got {image.shape} {image.dtype}.")
    return image


def _channels_first(crops: NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) -> (N, 3, S, S), channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2)
