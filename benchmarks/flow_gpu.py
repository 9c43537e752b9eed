"""Batched TV-L1 on a GPU: `python -m benchmarks.flow_gpu [--device cuda]`. Prints a Markdown table.

Pairs a second at 320 x 240 in float32, the `paper` preset, for several batch sizes, eager and compiled, from images on
the device to flow on the device. Beside it the bound that memory sets: the inner iterations that these very pairs need
(counted while they run), each of which must at least read the flow, both duals, the gradient, the difference and the
slope once and write the flow and the duals once, at the bandwidth that a copy reaches on this device.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.flow import Pair, ucf101_pairs
from benchmarks.machine import describe
from pfa_core.config.flow import paper
from pfa_core.tvl1.batched.engine import BatchedTvL1
from pfa_core.tvl1.batched.steps import iterated

SIZE = (240, 320)
BATCHES = (1, 16, 64, 256)
FLOATS_READ, FLOATS_WRITTEN = 10, 6
"""Of a pixel in an inner iteration: flow 2, duals 4, gradient 2, difference 1, slope 1; flow 2, duals 4."""


def device_for(name: str) -> torch.device:
    """The GPU of that name; ends the program where there is none."""
    if not torch.cuda.is_available():
        raise SystemExit("There is no GPU that torch can use here; this benchmark measures nothing on a CPU.")
    device = torch.device(name)
    if device.type != "cuda":
        raise SystemExit(f"{name} is not a GPU; use cuda or cuda:<number>.")
    return device


def seconds(work: Callable[[], object], *, repeats: int) -> float:
    """The fastest of `repeats` runs, from an idle device to an idle device."""
    best = float("inf")
    for _ in range(repeats):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy of 1 GiB reads and writes."""
    source = torch.zeros(1 << 28, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), repeats=10)


class _Counting(BatchedTvL1):
    """Counts the pixels of the inner iterations of pairs that are live."""

    pixels = 0.0

    def _count(self, *arguments: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flow, live = arguments[0], arguments[6]
        self.pixels += float(live.sum()) * flow.shape[-2] * flow.shape[-1]
        return iterated(*arguments)  # type: ignore[arg-type]  # the last three are numbers

    def count(self, first: Tensor, second: Tensor) -> float:
        """Pixels updated, summed over iterations, levels and pairs."""
        self.pixels, self._iterated = 0.0, self._count
        self.solve(first, second)
        return self.pixels


def batch(pairs: list[Pair], count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """`count` pairs on the device, the given ones over and over."""
    chosen = [pairs[i % len(pairs)] for i in range(count)]
    first, second = (
        torch.from_numpy(np.stack(images)).to(device)
        for images in ([pair.first for pair in chosen], [pair.second for pair in chosen])
    )
    return first, second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    device = device_for(options.device)
    torch.cuda.set_device(device)
    reached = bandwidth(device)
    print(f"{torch.cuda.get_device_name(device)}, copies at {reached / 1e12:.2f} TB/s; host: {describe()}\n")
    pairs = ucf101_pairs(options.data / "videos" / "ucf101_samples", each=16)
    eager = BatchedTvL1(paper(), size=SIZE, device=device)
    compiled = BatchedTvL1(paper(), size=SIZE, device=device, compiled=True)
    counter = _Counting(paper(), size=SIZE, device=device, check_every=1)
    print("| batch | eager, pairs/s | compiled, pairs/s | bound, pairs/s | compiled of bound | memory, GB |")
    print("|---|---|---|---|---|---|")
    for count in BATCHES:
        first, second = batch(pairs, count, device)
        bound = count / (counter.count(first, second) * 4 * (FLOATS_READ + FLOATS_WRITTEN) / reached)
        torch.cuda.reset_peak_memory_stats(device)
        rates = []
        for engine in (eager, compiled):
            engine.solve(first, second)  # compiles, and fills the allocator
            rates.append(count / seconds(partial(engine.solve, first, second), repeats=options.repeats))
        memory = torch.cuda.max_memory_allocated(device) / 1e9
        print(f"| {count} | {rates[0]:.1f} | {rates[1]:.1f} | {bound:.0f} | {rates[1] / bound:.2f} | {memory:.2f} |")


if __name__ == "__main__":
    main()
