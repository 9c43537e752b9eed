"""TV-L1 of many pairs at once in torch: the algorithm and the parameters of `FusedTvL1`, on a GPU or on the CPU.

Stopping. OpenCV ends the inner iterations of a warp when the mean squared change falls below epsilon squared, pair by
pair; a batch keeps that rule. A pair that has reached it is frozen in the very iteration (its changes are multiplied
by zero), and before each outer iteration the frozen ones are left out of the batch altogether. So a pair's flow does
not depend on its company, up to rounding, and one slow pair costs little more than itself. Whether any pair is left is
asked once in `GPU_CHECK_EVERY` iterations on a GPU, since the answer must travel to the CPU.

It has run on CPUs only so far: no GPU has been at hand. `benchmarks/flow_gpu.py` measures it where there is one.

Source: see `tvl1.fused`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.config.flow import TvL1Config
from pfa_core.errors import ConfigInvalid
from pfa_core.tvl1.batched.steps import iterated, linearised, median_5, resampled, with_gradient

MIN_SIDE_PX = 16
"""The pyramid ends before a level with a shorter side."""
GPU_CHECK_EVERY = 6
"""Inner iterations between two questions to a GPU."""


class BatchedTvL1:
    """TV-L1 for batches of pairs of one size. A `BatchEngine`.

    Takes about 700 bytes per pixel and pair while it computes (on a CPU), most of them for the median.
    """

    def __init__(
        self,
        config: TvL1Config,
        *,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        compiled: bool = False,
        check_every: int | None = None,
    ) -> None:
        """An engine for images of `size` (H, W).

        Args:
            config: parameters.
            size: (H, W) of the images.
            device: where to compute.
            compiled: fuse the inner iteration and the median with torch.compile. Takes a compiler and a minute.
            check_every: inner iterations between two questions whether any pair is left; None suits the device. The
                answer, not the flow, comes later.

        Raises:
            ConfigInvalid: a median of side 3, for which there is no network.
        """
        if config.median_size == 3:
            raise ConfigInvalid("the torch flow backend has medians of side 0 and 5 only; use opencv for 3")
        self.device = torch.device(device)
        self._config = config
        self._size = size
        self._sizes = _pyramid(size, config)
        self._check_every = check_every or (1 if self.device.type == "cpu" else GPU_CHECK_EVERY)
        self._iterated: Callable[..., Any] = iterated
        self._median: Callable[[Tensor], Tensor] = median_5
        if compiled:
            self._iterated = torch.compile(iterated, dynamic=True)
            self._median = torch.compile(median_5, dynamic=True)

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `pfa_core.flow.BatchEngine`.

        Raises:
            ConfigInvalid: not two equal batches of images of the engine's size.
        """
        for images in (first, second):
            if images.shape[1:] != self._size or len(images) != len(first):
                raise ConfigInvalid(f"the flow engine is for batches of images of {self._size}, got {images.shape}")
        with torch.inference_mode():
            pair = (torch.tensor(images, device=self.device) for images in (first, second))
            flow = self.solve(*pair)
            return flow.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    @torch.inference_mode()
    def solve(self, first: Tensor, second: Tensor) -> Tensor:
        """(N, H, W) luma on the device, twice -> (N, 2, H, W) float32 px, there."""
        if not len(first):
            return torch.zeros((0, 2, *self._size), device=self.device)
        step = 1 / self._config.scale_step
        pyramid = [(first.float(), second.float())]
        for size in self._sizes[1:]:
            a, b = (resampled(images, size=size, step=(step, step)) for images in pyramid[-1])
            pyramid.append((a, b))
        a, b = pyramid.pop()
        flow = torch.zeros((len(first), 2, *self._sizes[-1]), device=self.device)
        flow = self._level(a, with_gradient(b), flow)
        for a, b in reversed(pyramid):
            height, width = a.shape[-2:]
            ratio = (flow.shape[-2] / height, flow.shape[-1] / width)
            flow = step * resampled(flow, size=(height, width), step=ratio)
            flow = self._level(a, with_gradient(b), flow)
        return flow

    def _level(self, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        """All warps of a level of the pyramid, from the flow of the level above."""
        c = self._config
        enough = c.epsilon**2 * first.shape[-2] * first.shape[-1]
        state: tuple[Tensor, ...] = (flow, torch.zeros_like(flow), torch.zeros_like(flow))
        for _ in range(c.num_warps):
            line = linearised(first, second, state[0])
            error = torch.full((len(first),), torch.inf, device=self.device)
            for _ in range(c.outer_iterations):
                live = torch.nonzero(error > enough)[:, 0]
                if not len(live):
                    break
                if len(live) == len(first):
                    state, error = self._outer(state, line, error, enough)
                else:
                    part = tuple(plane[live] for plane in state), tuple(plane[live] for plane in line), error[live]
                    found, error[live] = self._outer(*part, enough)
                    for plane, new in zip(state, found, strict=True):
                        plane[live] = new
        return state[0]

    def _outer(
        self, state: tuple[Tensor, ...], line: tuple[Tensor, ...], error: Tensor, enough: float
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """A median and up to `inner_iterations` inner iterations: the new state and the last changes, 0 if frozen."""
        c = self._config
        flow, dual_x, dual_y = state
        if c.median_size:
            flow = self._median(flow)
        live = error > enough
        for done in range(c.inner_iterations):
            if done and done % self._check_every == 0 and not bool(live.any()):
                break
            flow, dual_x, dual_y, error = self._iterated(
                flow, dual_x, dual_y, *line, live, c.theta, c.lambda_ * c.theta, c.tau / c.theta
            )
            live = live & (error > enough)
        return (flow, dual_x, dual_y), error


def _pyramid(size: tuple[int, int], config: TvL1Config) -> list[tuple[int, int]]:
    """The sizes of the levels, finest first."""
    sizes = [size]
    while len(sizes) < config.num_scales:
        height, width = (round(side * config.scale_step) for side in sizes[-1])
        if min(height, width) < MIN_SIDE_PX:
            break
        sizes.append((height, width))
    return sizes
