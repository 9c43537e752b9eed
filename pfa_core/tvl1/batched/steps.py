"""The steps of TV-L1 as functions of batches of images, for any device of torch's.

N pairs, H x W px. A flow is (N, 2, H, W): x, then y. The equations, and what happens at borders, are those of
`tvl1.iterate`, `tvl1.warp` and `tvl1.median`.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from pfa_core.tvl1.networks import median_25, merge, sort_five

FLAT = 1e-7
"""Below this squared gradient a pixel has no direction to move in."""


def resampled(images: Tensor, *, size: tuple[int, int], step: tuple[float, float]) -> Tensor:
    """Bilinear samples, as OpenCV's `resize` takes them: no smoothing, and the edge repeats.

    Args:
        images: (..., H, W) float32.
        size: (H', W') of the result.
        step: px of `images` from a sample to the next, (down, right).

    Returns:
        (..., H', W') float32.
    """
    for axis, length, pitch in ((-1, size[1], step[1]), (-2, size[0], step[0])):
        at = (np.arange(length) + 0.5) * pitch - 0.5
        last = images.shape[axis] - 1
        before = np.floor(at)
        share = torch.from_numpy((at - before).astype(np.float32)).to(images.device)
        low, high = (
            torch.from_numpy(np.clip(before + k, 0, last).astype(np.int64)).to(images.device) for k in range(2)
        )
        share = share if axis == -1 else share[:, None]
        a, b = images.index_select(axis, low), images.index_select(axis, high)
        images = a + (b - a) * share
    return images


def with_gradient(images: Tensor) -> Tensor:
    """The images, and half the difference of their neighbours: right less left, and below less above.

    Returns:
        (N, 3, H', W') with zeros to the right and below up to powers of two: positions are handed to `grid_sample` as
        fractions of the size, and whole ones come through exactly only so. Else nothing moving would not be at rest:
        at the edge, beyond which all is zero, the least error grows.
    """
    wide = pad(images[:, None], (1, 1, 1, 1), mode="replicate")
    right = 0.5 * (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2])
    down = 0.5 * (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1])
    missing = [(1 << (side - 1).bit_length()) - side for side in images.shape[-2:]]
    return pad(torch.cat((images[:, None], right, down), dim=1), (0, missing[1], 0, missing[0]))


def linearised(first: Tensor, second: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The brightness difference as a linear function of the flow, at the present one.

    Args:
        first: (N, H, W) I0.
        second: (N, 3, H', W') I1 `with_gradient`; sampled bicubically with a = -0.75, zero outside.
        flow: (N, 2, H, W) px.

    Returns:
        (N, 2, H, W) gradient; (N, H, W) difference at zero flow; (N, H, W) -1 / |gradient|^2.
    """
    height, width = first.shape[-2:]
    xs = torch.arange(width, dtype=flow.dtype, device=flow.device)
    ys = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    at_x = (xs + flow[:, 0]).clamp(-3, width + 1)
    at_y = (ys + flow[:, 1]).clamp(-3, height + 1)
    grid = torch.stack(((2 * at_x + 1) / second.shape[-1] - 1, (2 * at_y + 1) / second.shape[-2] - 1), dim=-1)
    warped = grid_sample(second, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    image, gradient = warped[:, 0], warped[:, 1:]
    difference = image - (gradient * flow).sum(dim=1) - first
    return gradient, difference, -1 / gradient.square().sum(dim=1).clamp_min(FLAT)


def iterated(  # noqa: PLR0917  # torch.compile's input, in the order of the equations
    flow: Tensor,
    dual_x: Tensor,
    dual_y: Tensor,
    gradient: Tensor,
    difference: Tensor,
    slope: Tensor,
    live: Tensor,
    theta: float,
    limit: float,
    taut: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One inner iteration of the pairs that are live; the others are returned as they are.

    Args:
        flow, dual_x, dual_y: (N, 2, H, W) each; `dual_x[:, i]` and `dual_y[:, i]` belong to `flow[:, i]`.
        gradient, difference, slope: of `linearised`.
        live: (N,) bool.
        theta, limit, taut: coupling; lambda theta; tau / theta.

    Returns:
        The new flow, dual_x and dual_y; (N,) sums of squared changes of the flow, 0 where not live.
    """
    on = live.to(flow.dtype)[:, None, None, None]
    residual = difference + (gradient * flow).sum(dim=1)
    step = (residual * slope).clamp(-limit, limit)[:, None] * gradient
    divergence = dual_x - pad(dual_x[..., :-1], (1, 0)) + dual_y - pad(dual_y[..., :-1, :], (0, 0, 1, 0))
    change = on * (step + theta * divergence)
    flow = flow + change
    right = pad(flow[..., 1:] - flow[..., :-1], (0, 1))
    down = pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1))
    length = (right.square() + down.square()).sqrt()
    rate = on * taut / (1 + taut * length)
    dual_x = dual_x + rate * (right - length * dual_x)
    dual_y = dual_y + rate * (down - length * dual_y)
    return flow, dual_x, dual_y, change.square().sum(dim=(1, 2, 3))


def median_5(images: Tensor) -> Tensor:
    """(N, C, H, W) -> the same: medians of 5 x 5 neighbourhoods; the edge repeats.

    By the sorting networks of `tvl1.networks` on whole images: no 25-fold copy, and no sorting per pixel.
    """
    height, width = images.shape[-2:]
    wide = pad(images, (2, 2, 2, 2), mode="replicate")
    rows = [wide[..., k : k + height, :] for k in range(5)]
    columns = sort_five(rows, torch.minimum, torch.maximum)  # 5 of (N, C, H, W + 4)
    left, right = [c[..., :-1] for c in columns], [c[..., 1:] for c in columns]
    pairs = merge(left, right, torch.minimum, torch.maximum)  # 10 of (N, C, H, W + 3)
    return median_25(
        [pair[..., :width] for pair in pairs],
        [pair[..., 2 : 2 + width] for pair in pairs],
        [column[..., 4 : 4 + width] for column in columns],
        torch.minimum,
        torch.maximum,
    )
