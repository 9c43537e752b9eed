"""Poses with their heatmaps as numpy arrays. numpy is needed for these alone, and looked for when one is asked for.

Axes: K joints, h rows and w columns of a heatmap, in cells.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfa_client.errors import NumpyMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseArrays:
    """The pose of the person in an image, with what it was read from."""

    joints: tuple[str, ...]
    keypoints_px: "NDArray[np.floating]"
    """(K, 2) x, y in px of the image."""
    scores: "NDArray[np.floating]"
    """(K,) height of each heatmap at its joint."""
    heatmaps: "NDArray[np.floating]"
    """(K, h, w)."""
    cells_to_image: "NDArray[np.floating]"
    """(2, 3): image (x, y) in px = A[:, :2] @ (column, row) + A[:, 2]."""
    visible: "NDArray[np.bool_] | None" = None
    """(K,); None: the model does not tell."""


def need_numpy() -> None:
    """Raises: NumpyMissing."""
    try:
        import numpy  # noqa: F401  # only whether it is there
    except ImportError:
        raise NumpyMissing(
            "This call gives numpy arrays, and numpy is not installed: pip install numpy, or ask for"
            " predict_pose(..., heatmaps=True), which gives lists."
        ) from None


def pose_arrays(archive: bytes) -> PoseArrays:
    """From the service's `application/x-npz`, which holds no pickles."""
    import numpy as np

    with np.load(io.BytesIO(archive), allow_pickle=False) as found:
        return PoseArrays(
            joints=tuple(str(name) for name in found["joints"]),
            keypoints_px=found["keypoints_px"],
            scores=found["scores"],
            heatmaps=found["heatmaps"],
            cells_to_image=found["cells_to_image"],
            visible=found.get("visible"),
        )
