"""How much arithmetic a pretraining step is, and how much a device can do."""

import time
from collections.abc import Callable

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.devices import autocast
from pfa_core.nets.triplet import TripletNet, pretext_loss

_CPU_SIDE, _GPU_SIDE = 2048, 8192
"""Sides of the matrices by which a device's rate is measured."""
_PAIRS = 4
"""Pairs on which the arithmetic is counted; all of it but a little of the head is proportional to their number."""


def flop_per_positive(config: PretrainConfig) -> float:
    """Floating-point operations (a multiplication and an addition are two) of a positive with its negatives, forward
    and backward: those of convolutions and matrix products, counted on tensors without contents."""
    net, side, maps = config.net, config.net.crop_px, 2 * config.gap_frames
    with FakeTensorMode():
        model = TripletNet(net, flow_maps=maps)
        frames, block = torch.empty(_PAIRS, 3, side, side), torch.empty(_PAIRS, maps, side, side)
        negatives = torch.zeros((_PAIRS, config.num_negatives), dtype=torch.int64)
        with FlopCounterMode(display=False) as counter:
            pretext_loss(model(frames, frames, block, negatives)).backward()
    return counter.get_total_flops() / _PAIRS


def matmul_flops(
    device: torch.device, *, wanted: bool = True, seconds: float = 1.0, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Operations per second that the device reaches on large square matrices, repeated for about that time.

    Args:
        wanted: in bf16 where the device computes it natively, as `devices.autocast`; else float32.
    """
    side = _GPU_SIDE if device.type == "cuda" else _CPU_SIDE
    first, second = (torch.randn(side, side, device=device) for _ in range(2))
    with torch.no_grad(), autocast(device, wanted=wanted):
        dtype = (first[:1] @ second).dtype
        first, second = first.to(dtype), second.to(dtype)
        _wait(first @ second)
        count, began_s = 0, clock()
        while clock() - began_s < seconds:
            _wait(first @ second)
            count += 1
        passed_s = clock() - began_s
    return count * 2 * side**3 / passed_s


def _wait(result: torch.Tensor) -> None:
    if result.device.type == "cuda":
        torch.cuda.synchronize(result.device)
