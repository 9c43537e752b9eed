"""What trained models answer about images and clips.

Each predictor is callable, and also split in three, so that a server can batch many requests into one forward pass:
`prepare` (one input -> rows of crops), `forward` (rows of any number of inputs -> rows), `finish` (one input's rows ->
its answer). `forward` may be called with rows of several inputs, concatenated. Those of actions are in
`predict_action`.

Axes: K joints, h x w cells, D length of the fc6 feature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.crops import PersonCrop, box_crop
from pfa_core.executors import ExecutorName, Numerics
from pfa_core.heatmaps import decode
from pfa_core.manifest import ModelConfig
from pfa_core.model_settings import PoseSettings, joints_of
from pfa_core.models import appearance_of
from pfa_core.people import Box
from pfa_core.predict_action import ActionPrediction, ActionPredictor
from pfa_core.predictor import CropPredictor, Image, Prepared, channels_first, checked_image
from pfa_core.skeleton import JointSet

__all__ = [
    "ActionPrediction",
    "ActionPredictor",
    "ExecutorName",
    "FeatureExtractor",
    "Numerics",
    "PosePrediction",
    "PosePredictor",
    "Prepared",
]


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


class PosePredictor(CropPredictor):
    """Joints of the person in an image. Source: paper section 4.2."""

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
        self.joints = joints_of(config)
        self.settings = PoseSettings.of(config)
        super().__init__(module, config, numerics=numerics, device=device, executor=executor)

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


class FeatureExtractor(CropPredictor):
    """fc6 of an image, after its ReLU, without dropout. Source: paper section 4.1, "closest pairs"."""

    def __init__(
        self,
        module: nn.Module,
        config: ModelConfig,
        *,
        numerics: Numerics = "float32",
        device: str = "auto",
        executor: ExecutorName = "eager",
    ) -> None:
        """Raises: ModelUnsuitable: a pose model, which ends before fc6."""
        net = appearance_of(module)
        self.num_features = net.out_features
        super().__init__(net, config, numerics=numerics, device=device, executor=executor)

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


def _prepare_crop(image: Image, box: Box | None, *, crop_px: int) -> Prepared[PersonCrop]:
    height, width = checked_image(image).shape[:2]
    crop = box_crop(box, size=(height, width), crop_px=crop_px)
    return Prepared(channels_first(crop.cut(image)[None]), crop)
