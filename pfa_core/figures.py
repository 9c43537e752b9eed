"""Pictures of what a model has learned and of what it answers, as RGB arrays or PNG bytes.

Axes: K joints, h x w cells, C output channels.
"""

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from pfa_core.backbones import conv_layers_of
from pfa_core.images import write_png
from pfa_core.predict import PosePrediction
from pfa_core.skeleton import JointSet
from pfa_core.skeleton_drawing import draw_skeleton

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

_BACKGROUND = 245


def filters_png(model: nn.Module, *, cell_px: int = 42) -> bytes:
    """`filters_sheet` as PNG."""
    return write_png(filters_sheet(model, cell_px=cell_px))


def filters_sheet(model: nn.Module, *, cell_px: int = 42) -> Image:
    """The filters of conv1, a square each. Source: paper figure 3.

    Each filter is stretched by itself: its largest deviation from zero is black or white, zero is mid-grey.

    Raises:
        ModelUnsuitable: the model has no convolution over RGB.
    """
    weight = conv_layers_of(model).conv1.conv.weight.detach().float().cpu().numpy()  # (C, 3, 7, 7)
    peaks = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    unit = weight / np.maximum(peaks, 1e-12) / 2 + 0.5
    tiles = np.rint(unit * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    enlarged = [_resized(tile, cell_px, cell_px, cv2.INTER_NEAREST) for tile in tiles]
    return grid(enlarged, columns=_columns(len(enlarged)), gap_px=3)


def grid(images: Sequence[Image], *, columns: int, gap_px: int, ground: int = _BACKGROUND) -> Image:
    """Images of one size in rows of `columns`, on grey `ground`."""
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    shape = (rows * (height + gap_px) + gap_px, columns * (width + gap_px) + gap_px, 3)
    sheet = np.full(shape, ground, dtype=np.uint8)
    for place, image in enumerate(images):
        top = gap_px + place // columns * (height + gap_px)
        left = gap_px + place % columns * (width + gap_px)
        sheet[top : top + height, left : left + width] = image
    return sheet


def pairs_png(pairs: Sequence[tuple[Image, Image, float]], *, side_px: int = 128, pairs_per_row: int = 2) -> bytes:
    """`pairs_sheet` as PNG."""
    return write_png(pairs_sheet(pairs, side_px=side_px, pairs_per_row=pairs_per_row))


def pairs_sheet(pairs: Sequence[tuple[Image, Image, float]], *, side_px: int = 128, pairs_per_row: int = 2) -> Image:
    """Closest pairs in fc6 space, each with its distance beneath. Source: paper figure 4.

    Args:
        pairs: query image, its nearest neighbour, Euclidean distance; at least one.
    """
    tiles = []
    for query, neighbour, distance in pairs:
        both = np.concatenate([fitted(query, side_px), fitted(neighbour, side_px)], axis=1)
        strip = np.full((20, both.shape[1], 3), _BACKGROUND, dtype=np.uint8)
        cv2.putText(
            strip, f"distance {distance:.2f}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA
        )
        tiles.append(np.concatenate([both, strip]))
    return grid(tiles, columns=min(pairs_per_row, len(tiles)), gap_px=10, ground=170)


def closest_pairs(features: NDArray[np.float32], *, chosen: Sequence[int]) -> list[tuple[int, int, float]]:
    """For each chosen item, its nearest other item and their Euclidean distance. Source: paper section 4.1.

    Args:
        features: (N, D) float32, N >= 2.
    """
    found = []
    for query in chosen:
        distances = np.linalg.norm(features - features[query], axis=1)
        distances[query] = np.inf
        nearest = int(distances.argmin())
        found.append((query, nearest, float(distances[nearest])))
    return found


def overlay(image: Image, pose: PosePrediction, *, heatmaps: bool = True, min_score: float = 0.0) -> Image:
    """The image with the heatmaps' glow and the skeleton drawn over it; joints that are not visible are hollow.

    Args:
        image: the one that `pose` was found in; not changed.
        heatmaps: draw them too.
        min_score: joints below are left out, and limbs that end in one.
    """
    ground = _glow(image, pose) if heatmaps else image
    return draw_skeleton(
        ground,
        pose.joints,
        pose.keypoints_px,
        shown=pose.scores >= min_score,
        visible=pose.visible,
        side_px=pose.crop.side_px,
    )


def overlay_people(image: Image, poses: Sequence[PosePrediction]) -> Image:
    """`overlay` of everybody in an image: first what glows, then the skeletons."""
    ground = image
    for pose in poses:
        ground = _glow(ground, pose)
    for pose in poses:
        ground = overlay(ground, pose, heatmaps=False)
    return ground


def heatmap_png(heatmaps: NDArray[np.float32], joints: JointSet, *, side_px: int = 120) -> bytes:
    """(K, h, w) heatmaps side by side in false colours, -1 dark to +1 bright, each with its joint's name."""
    tiles = []
    for name, heatmap in zip(joints.names, heatmaps, strict=True):
        tile = _resized(false_colour(heatmap), side_px, side_px, cv2.INTER_NEAREST)
        cv2.putText(tile, name, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(tile)
    return write_png(grid(tiles, columns=_columns(len(tiles)), gap_px=4))


def false_colour(heatmap: NDArray[np.float32]) -> Image:
    """(h, w) -1 .. +1 -> (h, w, 3) uint8 RGB."""
    grey = np.rint(np.clip((heatmap + 1) / 2, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1], dtype=np.uint8).copy()


def curves_png(history: Sequence[Mapping[str, float]], *, title: str = "") -> bytes:
    """Loss, and every other figure of a run's history but the learning rate, against the step.

    Args:
        history: rows as `engine.train` returns them: `step`, `loss`, `val_accuracy`, ...; a figure may be missing
            from some rows.
    """
    names = list(dict.fromkeys(name for row in history for name in row if name not in ("step", "learning_rate")))
    losses = [name for name in names if name.endswith("loss")]
    panels = [("loss", losses), ("", [name for name in names if name not in losses])]
    panels = [(label, members) for label, members in panels if members] or [("", [])]
    figure = Figure(figsize=(5.5 * len(panels), 3.6), layout="constrained")
    for axes, (label, members) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        for name in members:
            points = [(row["step"], row[name]) for row in history if name in row]
            axes.plot(*zip(*points, strict=True), label=name, marker="o" if len(points) < 30 else None, markersize=3)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.3)
        if members:
            axes.legend(fontsize="small")
    if title:
        figure.suptitle(title)
    return png_of(figure)


def png_of(figure: Figure) -> bytes:
    """A matplotlib figure as PNG, drawn without a screen."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def fitted(image: Image, side_px: int) -> Image:
    """The whole image, centred on a light square of side_px."""
    factor = side_px / max(image.shape[:2])
    width, height = (max(1, round(side * factor)) for side in (image.shape[1], image.shape[0]))
    square = np.full((side_px, side_px, 3), _BACKGROUND, dtype=np.uint8)
    top, left = (side_px - height) // 2, (side_px - width) // 2
    square[top : top + height, left : left + width] = _resized(image, width, height, cv2.INTER_AREA)
    return square


def _glow(image: Image, pose: PosePrediction) -> Image:
    """The highest heatmap at each pixel, blended in where it is nearer to "joint" than to "background"."""
    height, width = image.shape[:2]
    strongest = np.clip(pose.heatmaps.max(axis=0), 0, 1).astype(np.float32)  # (h, w)
    spread = cv2.warpAffine(strongest, pose.cells_to_image, (width, height), flags=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.rint(spread * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = 0.6 * spread[..., None]
    return np.rint(image * (1 - weight) + colours * weight).astype(np.uint8)


def _columns(count: int) -> int:
    """Of a sheet that is a little wider than high."""
    return max(1, int(np.ceil(np.sqrt(count * 1.5))))


def _resized(image: Image, width: int, height: int, interpolation: int) -> Image:
    return np.asarray(
        cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=interpolation), dtype=np.uint8
    )
