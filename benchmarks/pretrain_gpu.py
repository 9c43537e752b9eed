"""Pretraining steps on one GPU: `python -m benchmarks.pretrain_gpu [--device cuda]`. Prints a Markdown table.

The step is the recipe's own (`RunState.advance`), eager and with the network compiled, on clips of noise that lie in
the device's memory and are cut there one batch ahead, as in `engine.train`. Stall is the share of the time that the
steps waited for their batch. Beside it what the arithmetic reaches, against large matrix products on the same device.
It needs torch, numpy, opencv, safetensors, tensorboard and zstandard, and no video. `--device cpu --preset small
--batch-size 4` goes the same way on a machine without a GPU.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn

from benchmarks.machine import describe
from pfa_core import seeds
from pfa_core.config import pretrain as presets
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.devices import device_of, moved, placed
from pfa_core.frame_store import FrameStore
from pfa_core.nets.triplet import TripletNet
from pfa_core.parts import sample_parts
from pfa_core.pretrain import loss_of
from pfa_core.progress import run_to_end
from pfa_core.rates import flop_per_positive, matmul_flops
from pfa_core.run_state import RunState
from pfa_core.stand_in import stand_in_clips
from pfa_core.triplets import TripletBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a row of the table says."""

    step_s: float
    """Mean over all measured steps, waiting included."""
    stall: float
    memory_bytes: int
    """Most that was allocated on a GPU; 0 on a CPU."""


def measure(
    config: PretrainConfig, store: FrameStore, *, device: torch.device, warm_up: int, steps: int, compiled: bool
) -> Pace:
    """Take steps as `engine.train` does, and time them."""
    with seeds.seeded(0):
        model = placed(TripletNet(config.net, flow_maps=2 * config.gap_frames), device)
    net = cast(nn.Module, torch.compile(model)) if compiled else model
    run = RunState(model, config.learn, device=device, seed=0, parameters=None)
    waited_s = began_s = 0.0
    with ThreadPoolExecutor(1) as prefetcher:
        ahead = prefetcher.submit(fetch, config, store, 0, device)
        for step in range(warm_up + steps):
            if step == warm_up:
                settle(device)
                waited_s, began_s = 0.0, time.perf_counter()
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats(device)
            asked_s = time.perf_counter()
            batch = ahead.result()
            waited_s += time.perf_counter() - asked_s
            ahead = prefetcher.submit(fetch, config, store, step + 1, device)
            run.advance(batch, lambda _, given: loss_of(net, given, config))
        settle(device)
        passed_s = time.perf_counter() - began_s
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Pace(step_s=passed_s / steps, stall=waited_s / passed_s, memory_bytes=memory)


def fetch(config: PretrainConfig, store: FrameStore, step: int, device: torch.device) -> TripletBatch:
    """The batch of a step, cut on the store's device."""
    return moved(sample_parts(store, config, key=(0, step), parts=range(config.devices)), device)


def settle(device: torch.device) -> None:
    """Wait for what was launched."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", choices=("paper", "small"), default="paper")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--clips", type=int, default=64)
    options = parser.parse_args()
    device = device_of(options.device)
    config = presets.paper() if options.preset == "paper" else presets.small()
    config = replace(config, learn=replace(config.learn, batch_size=options.batch_size or config.learn.batch_size))
    store = FrameStore(stand_in_clips(config, count=options.clips), cache_bytes=1 << 40, device=device)
    run_to_end(store.load(), lambda _: None)
    reached = matmul_flops(device, wanted=config.learn.autocast)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    flop = config.learn.batch_size * flop_per_positive(config)
    print(f"{name}, torch {torch.__version__}; matrix products {reached / 1e12:.4g} TFLOP/s; host: {describe()}")
    print(f"`{options.preset}()`, a batch of {config.learn.batch_size}, {options.steps} steps\n")
    print("| network | ms a step | steps/s | TFLOP/s | of matrix products | stall | memory, GiB | whole schedule, h |")
    print("|---|---|---|---|---|---|---|---|")
    for compiled in (False, True):
        pace = measure(config, store, device=device, warm_up=options.warm_up, steps=options.steps, compiled=compiled)
        rate = flop / pace.step_s
        print(
            f"| {'compiled' if compiled else 'eager'} | {1e3 * pace.step_s:.1f} | {1 / pace.step_s:.2f} |"
            f" {rate / 1e12:.4g} | {rate / reached:.2f} | {pace.stall:.3f} | {pace.memory_bytes / 2**30:.1f} |"
            f" {config.learn.steps * pace.step_s / 3600:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
