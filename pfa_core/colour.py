"""Changing the colours of frames: nothing of a pose, or of the motion between two, depends on these.

Axes: B images or pairs, S crop side.
"""

import torch
from torch import Tensor


def vary_colours(*frames: Tensor, strength: float) -> tuple[Tensor, ...]:
    """Change contrast, brightness, tint and saturation at random; the frames of a pair alike.

    Draws from torch's generator of the tensors' device.

    Args:
        frames: (B, 3, S, S) normalised RGB, one or more.
        strength: 0..1; each channel is multiplied by 1 +- strength and shifted by +- strength (in units of the
            spread of natural images), and up to this share of the colour is taken away. 0 changes nothing.

    Returns:
        (B, 3, S, S) for each.
    """
    gain, shift = 2 * torch.rand((2, len(frames[0]), 3, 1, 1), device=frames[0].device) - 1
    share = strength * torch.rand((len(frames[0]), 1, 1, 1), device=frames[0].device)
    changed = []
    for images in frames:
        tinted = images * (1 + strength * gain) + strength * shift
        changed.append(torch.lerp(tinted, tinted.mean(dim=1, keepdim=True), share))
    return tuple(changed)
