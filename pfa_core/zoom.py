"""Seeing a triplet from nearer: the same part of both frames and of the flow between them, enlarged.

People who are filmed from afar are small in a crop; whoever uses the features often shows a person that fills it.

Axes: B triplets, G gap in frames, S crop side.
"""

import torch
from torch import Tensor
from torch.nn import functional


def zoom_in(first: Tensor, second: Tensor, block: Tensor, *, largest: float) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge each triplet by a random factor from 1 to `largest`, around a random place.

    Nothing from outside the crop is needed. What moves by one pixel moves by `factor` pixels afterwards, so flow is
    multiplied by it. Factors are uniform in their logarithm. Draws from torch's generator of the tensors' device.

    Args:
        first, second: (B, 3, S, S) float.
        block: (B, 2G, S, S) float flow, in any unit of length.

    Returns:
        As the arguments, in their shapes.
    """
    factor, windows = _windows(len(first), largest=largest, device=first.device)
    grid = functional.affine_grid(windows, list(first.shape), align_corners=False)  # (B, S, S, 2)
    enlarged = [
        functional.grid_sample(part, grid, mode="bilinear", padding_mode="border", align_corners=False)
        for part in (first, second, block)
    ]
    return enlarged[0], enlarged[1], enlarged[2] * factor[:, None, None, None]


def _windows(count: int, *, largest: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """(B,) factors, and (B, 2, 3): where in a crop, whose corners are at -1 and 1, each pixel is taken from."""
    size, *place = torch.rand((3, count), device=device)
    factor = largest**size
    share = 1 / factor  # of the crop's side that is seen
    shift = (1 - share) * (2 * torch.stack(place) - 1)  # (2, B): the part seen stays inside
    windows = torch.zeros((count, 2, 3), device=device)
    windows[:, 0, 0] = windows[:, 1, 1] = share
    windows[:, :, 2] = shift.T
    return factor, windows
