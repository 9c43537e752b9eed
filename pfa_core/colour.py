"""Changing the colours of a pair of frames: nothing of the motion between them depends on these.

Axes: B pairs, S crop side.
"""

import torch
from torch import Tensor


def vary_colours(first: Tensor, second: Tensor, *, strength: float) -> tuple[Tensor, Tensor]:
    """Change contrast, brightness, tint and saturation of each pair at random, both of its frames alike.

    Draws from torch's generator of the tensors' device.

    Args:
        first, second: (B, 3, S, S) normalised RGB.
        strength: 0..1; each channel is multiplied by 1 +- strength and shifted by +- strength (in units of the
            spread of natural images), and up to this share of the colour is taken away. 0 changes nothing.

    Returns:
        (B, 3, S, S) twice.
    """
    gain, shift = 2 * torch.rand((2, len(first), 3, 1, 1), device=first.device) - 1
    share = strength * torch.rand((len(first), 1, 1, 1), device=first.device)
    changed = []
    for frames in (first, second):
        tinted = frames * (1 + strength * gain) + strength * shift
        changed.append(torch.lerp(tinted, tinted.mean(dim=1, keepdim=True), share))
    return changed[0], changed[1]
