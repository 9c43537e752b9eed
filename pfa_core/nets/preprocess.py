"""From stored bytes to what the networks take in. The one place where pixel values are scaled."""

import torch
from torch import Tensor

MEAN = 0.45
STD = 0.225
"""RGB in [0, 1] has about this mean and spread in natural images; one value for all channels."""

FLOW_UNIT_PX = 1.0
"""Flow is presented in units of this many px."""


def normalise_rgb(images_u8: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 RGB -> (B, 3, H, W) float32, about zero mean and unit spread, channels last in memory."""
    images = images_u8.to(torch.float32, memory_format=torch.channels_last)
    return images.div_(255.0).sub_(MEAN).div_(STD)


def normalise_flow(block_i8: Tensor, *, bound_px: float) -> Tensor:
    """(B, 24, H, W) int8 (127 = bound_px) -> (B, 24, H, W) float32 in units of FLOW_UNIT_PX, channels last."""
    block = block_i8.to(torch.float32, memory_format=torch.channels_last)
    return block.mul_(bound_px / 127.0 / FLOW_UNIT_PX)
