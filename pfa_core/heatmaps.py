"""Heatmaps: what a Pose ConvNet is trained to draw, the loss, and how joints are read out. Source: paper section 4.2.

A crop of crop_px is covered by cells x cells equal cells; the stride crop_px / cells is 256 / 60 px for the paper.
Crop px c (centre of the first pixel at 0) and cell o (centre of the first cell at 0) are the same place when
c = (o + 1/2) stride - 1/2.

Axes: B batch, K joints, h x w cells.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def px_to_cells(points_px: Tensor, *, crop_px: int, cells: int) -> Tensor:
    """(..., 2) crop px -> (..., 2) cells (column, row), fractional."""
    return (points_px + 0.5) * (cells / crop_px) - 0.5


def cells_to_px(points_cells: Tensor, *, crop_px: int, cells: int) -> Tensor:
    """(..., 2) cells (column, row) -> (..., 2) crop px."""
    return (points_cells + 0.5) * (crop_px / cells) - 0.5


@dataclass(frozen=True, slots=True)
class Targets:
    """What the heatmaps of a batch should show."""

    maps: Tensor
    """(B, K, h, w) float32: +1 around the joint, -1 elsewhere."""
    drawn: Tensor
    """(B, K) bool: the joint is labelled and lies in the crop; other maps do not count."""


def targets(keypoints_px: Tensor, labelled: Tensor, *, crop_px: int, cells: int, positive_cells: int) -> Targets:
    """Draw +1 on the square of positive_cells x positive_cells cells around each joint's cell, -1 elsewhere.

    A joint outside the crop is treated as one that is not labelled. The square is cut off at the heatmap's border.

    Args:
        keypoints_px: (B, K, 2) float, (x, y) in crop px; anything, nan too, where not labelled.
        labelled: (B, K) bool.
        crop_px: side of the crop, px.
        cells: side of the heatmap, cells.
        positive_cells: side of the square, odd. The paper: 3.
    """
    place = px_to_cells(keypoints_px, crop_px=crop_px, cells=cells)
    inside = ((place >= -0.5) & (place < cells - 0.5)).all(dim=-1)  # False for nan
    drawn = labelled & inside
    centre = (place.nan_to_num(0.0) + 0.5).floor()  # (B, K, 2): the cell that holds the joint
    along = torch.arange(cells, dtype=centre.dtype, device=centre.device)
    near = (along - centre[..., None]).abs() <= positive_cells // 2  # (B, K, 2, cells)
    positive = near[..., 1, :, None] & near[..., 0, None, :] & drawn[..., None, None]  # (B, K, h, w)
    return Targets(maps=positive.to(torch.float32).mul_(2).sub_(1), drawn=drawn)


def heatmap_loss(heatmaps: Tensor, wanted: Targets) -> Tensor:
    """Euclidean loss in which positive and negative cells carry equal total weight.

    Each squared difference is divided by twice the number of cells of its sign in its heatmap, so both signs weigh
    one half; the loss of the batch is the mean over the heatmaps that count, and 0 when none does.

    Args:
        heatmaps: (B, K, h, w) float.

    Returns:
        () float32.

    Source: paper section 4.2: the gradient of a positive cell is weighted by the inverse of the number of positive
    cells, and similarly for the negative cells; the losses of the joints are averaged.
    """
    positive = wanted.maps > 0
    num_positive = positive.sum(dim=(-2, -1))  # (B, K)
    num_negative = positive[0, 0].numel() - num_positive
    squares = (heatmaps.to(torch.float32) - wanted.maps).square()
    of_positive = (squares * positive).sum(dim=(-2, -1)) / num_positive.clamp(min=1)
    of_negative = (squares * ~positive).sum(dim=(-2, -1)) / num_negative.clamp(min=1)
    counts = wanted.drawn.to(torch.float32)
    return ((of_positive + of_negative) / 2 * counts).sum() / counts.sum().clamp(min=1)


def decode(heatmaps: Tensor, *, crop_px: int, top_cells: int, sub_cell: bool = False) -> tuple[Tensor, Tensor]:
    """Read joints out: the centroid of the `top_cells` highest cells of each heatmap. Source: paper section 4.2.

    With `sub_cell`, beyond the paper, the place is the top of the heatmap averaged over 3 x 3 cells (the square that
    the targets draw, so the average is highest where a whole square is), between cells by a parabola along each axis.
    Scores are the same. Chosen among others on validation people: docs/decisions/0011.

    Args:
        heatmaps: (B, K, h, w) float, h = w.
        crop_px: side of the crop, px.
        top_cells: the paper's 20; at most h w are taken.
        sub_cell: find the place by the highest 3 x 3 square and not by the highest cells.

    Returns:
        (B, K, 2) float32, (x, y) in crop px, and (B, K) float32 scores in [0, 1]: the mean of those cells, with -1
        (background) at 0 and +1 (joint) at 1.
    """
    cells = heatmaps.shape[-1]
    flat = heatmaps.to(torch.float32).flatten(2)  # (B, K, h w)
    values, places = flat.topk(min(top_cells, flat.shape[-1]), dim=-1)  # (B, K, top)
    scores = ((values.mean(dim=-1) + 1) / 2).clamp(0, 1)
    if sub_cell:
        points = _tops(heatmaps.to(torch.float32))
    else:
        points = torch.stack([places % cells, places // cells], dim=-1).to(torch.float32).mean(dim=-2)  # (B, K, 2)
    return cells_to_px(points, crop_px=crop_px, cells=cells), scores


def _tops(heatmaps: Tensor) -> Tensor:
    """(B, K, h, w) -> (B, K, 2) cells (column, row), fractional: the top of the average over 3 x 3 cells."""
    smooth = functional.avg_pool2d(heatmaps, 3, stride=1, padding=1, count_include_pad=False)
    cells = smooth.shape[-1]
    place = smooth.flatten(2).argmax(dim=-1)  # (B, K)
    column, row = place % cells, place // cells
    along_x = smooth.gather(2, row[..., None, None].expand(*place.shape, 1, cells)).squeeze(2)  # (B, K, w)
    along_y = smooth.gather(3, column[..., None, None].expand(*place.shape, cells, 1)).squeeze(3)  # (B, K, h)
    return torch.stack([_vertex(along_x, column), _vertex(along_y, row)], dim=-1)


def _vertex(lines: Tensor, top: Tensor) -> Tensor:
    """Where the parabola through the highest cell of each line and its two neighbours is highest.

    Args:
        lines: (B, K, w).
        top: (B, K) int64, the highest cell; at an end of the line it is the answer itself.
    """
    before, middle, after = (
        lines.gather(-1, (top + step).clamp(0, lines.shape[-1] - 1)[..., None]).squeeze(-1) for step in (-1, 0, 1)
    )
    bend = before + after - 2 * middle
    inner = (top > 0) & (top < lines.shape[-1] - 1) & (bend < 0)
    return top + torch.where(inner, (before - after) / (2 * bend.clamp(max=-1e-12)), 0.0)  # at most half a cell
