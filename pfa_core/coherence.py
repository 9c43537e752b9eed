"""Losses of temporal coherence. Source: Jayaraman and Grauman, CVPR 2016, section 3.

Axes: B tuples, F features. A tuple is four features of one place of a video: z(t), z(t + d), z(t + 2d), and z(far),
of a frame that is no neighbour of the other three.
"""

import torch
from torch import Tensor


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean: (B, F) twice -> (B,) float32. At 0 its gradient is taken as 0."""
    return torch.linalg.vector_norm(first.float() - second.float(), dim=1)


def contrastive(near: Tensor, far: Tensor, *, margin: float) -> Tensor:
    """Pull what belongs together to distance 0, push the rest beyond the margin: mean of p d + (1 - p) max(0, m - d).

    Args:
        near: distances of those that belong together (p = 1).
        far: distances of as many that do not (p = 0).
    """
    return torch.cat([near, (margin - far).relu()]).mean()


def slow_distances(tuples: Tensor) -> tuple[Tensor, Tensor]:
    """First order: distances of frames that are neighbours, and of frames that are none.

    Shape: (4, B, F) -> (2B,) and (2B,): z(t) and z(t + d), z(t + d) and z(t + 2d); z(far) and each of the first two.
    """
    start, middle, end, far = tuples
    near = torch.cat([distance(start, middle), distance(middle, end)])
    return near, torch.cat([distance(start, far), distance(middle, far)])


def steady_distances(tuples: Tensor) -> tuple[Tensor, Tensor]:
    """Second order: how much a change differs from the one that follows it, and from one that does not.

    Shape: (4, B, F) -> (B,) and (B,): z(t) - z(t + d) against z(t + d) - z(t + 2d), and against z(t + d) - z(far).
    """
    start, middle, end, far = tuples.float()
    return distance(start - middle, middle - end), distance(start - middle, middle - far)
