"""What a pretraining step costs: `python -m benchmarks.pretrain_step`. Prints Markdown tables.

The naive step is written here as the paper describes it and as one writes it first: every (pair, block) combination is
an example of its own, whose two frames and block go through the backbone, 9 passes a positive with two negatives;
float32, torch's LocalResponseNorm, memory as it comes, foreach SGD. Ours is the recipe's own step. All kinds take turns
in every round, each in a process of its own; the ratios are medians of the rounds. On a busy machine only the
processor's time with `--threads 1` means much: several threads spin while they wait for each other. Random bytes stand
for images: a step costs the same.
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import describe
from pfa_core.config import pretrain as presets
from pfa_core.config.net import Norm
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.devices import moved, placed
from pfa_core.nets.preprocess import MEAN, STD
from pfa_core.nets.triplet import TripletNet
from pfa_core.nets.vggm import pool5_side
from pfa_core.packs import Pack, build_pack
from pfa_core.pretrain import PretrainVideo, loss_of, pretrain
from pfa_core.progress import Progress, run_to_end
from pfa_core.run_state import RunState
from pfa_core.triplets import TripletBatch
from pfa_core.video.limits import DecodeLimits

CPU = torch.device("cpu")
Step = Callable[[], object]


class NaiveVggM(nn.Sequential):
    """VGG-M to fc6 at a width, of torch's own layers."""

    def __init__(self, channels: int, config: PretrainConfig, *, norm: bool) -> None:
        c1, c2, c3, c4, c5, fc = (config.net.units(full) for full in (96, 256, 512, 512, 512, 4096))
        cells = pool5_side(config.net.crop_px) ** 2

        def conv(
            inputs: int, outputs: int, kernel: int, *, local: bool = False, stride: int = 1, padding: int = 0
        ) -> list[nn.Module]:
            layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)]
            if norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU())
            if local and not norm:
                layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
            return layers

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, stride=2, ceil_mode=True)

        fc_norm: list[nn.Module] = [nn.BatchNorm1d(fc)] if norm else []
        super().__init__(
            *conv(channels, c1, 7, stride=2, local=True), pool(),
            *conv(c1, c2, 5, stride=2, padding=1, local=True), pool(),
            *conv(c2, c3, 3, padding=1), *conv(c3, c4, 3, padding=1), *conv(c4, c5, 3, padding=1), pool(),
            nn.Flatten(), nn.Linear(c5 * cells, fc), *fc_norm, nn.ReLU(),
            nn.Dropout(config.net.dropout),
        )  # fmt: skip


class NaiveNet(nn.Module):
    """Three passes for every example, their features concatenated."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        norm, units = config.net.norm == "batch", config.net.units(4096)
        self.appearance = NaiveVggM(3, config, norm=norm)
        self.motion = NaiveVggM(2 * config.gap_frames, config, norm=norm)
        between: list[nn.Module] = [nn.BatchNorm1d(units)] if norm else []
        self.head = nn.Sequential(nn.Linear(3 * units, units), *between, nn.ReLU(), nn.Linear(units, 2))

    def forward(self, first: Tensor, second: Tensor, block: Tensor) -> Tensor:
        features = [self.appearance(first), self.appearance(second), self.motion(block)]
        return self.head(torch.cat(features, dim=1))


def naive(config: PretrainConfig, batch: TripletBatch) -> Step:
    """A step of 1 + N examples a pair."""
    net = NaiveNet(config)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-4, foreach=True)
    count = len(batch.first_u8)
    combos = 1 + config.num_negatives
    pair = torch.arange(count).repeat_interleave(combos)
    block = torch.cat([torch.arange(count)[:, None], batch.negatives], dim=1).flatten()
    truth = torch.tensor([1] + [0] * config.num_negatives).repeat(count)

    def images(u8: Tensor) -> Tensor:
        return ((u8.float() / 255 - MEAN) / STD).contiguous()

    def step() -> None:
        flow = batch.block_i8.float() * (config.pack.bound_px / 127)
        logits = net(images(batch.first_u8)[pair], images(batch.second_u8)[pair], flow[block])
        optimizer.zero_grad()
        functional.cross_entropy(logits, truth).backward()
        optimizer.step()

    return step


def ours(config: PretrainConfig, batch: TripletBatch) -> Step:
    """The step of the recipe."""
    learn = dataclasses.replace(config.learn, learning_rate=1e-6)
    net = placed(TripletNet(config.net, flow_maps=2 * config.gap_frames), CPU)
    run = RunState(net, learn, device=CPU, seed=0, parameters=None)
    batch = moved(batch, CPU)
    return lambda: run.advance(batch, lambda net, given: loss_of(net, given, config))


def a_batch(config: PretrainConfig) -> TripletBatch:
    rng = np.random.default_rng(0)
    count, side = config.learn.batch_size, config.net.crop_px

    def images() -> Tensor:
        return torch.from_numpy(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)).permute(0, 3, 1, 2)

    shape = (count, 2 * config.gap_frames, side, side)
    block = torch.from_numpy(rng.integers(-20, 21, shape, dtype=np.int8))
    others = np.stack([rng.permutation(np.delete(np.arange(count), i))[: config.num_negatives] for i in range(count)])
    return TripletBatch(
        first_u8=images(), second_u8=images(), block_i8=block, video=torch.arange(count),
        negatives=torch.from_numpy(others),
    )  # fmt: skip


def full(norm: Norm = "lrn") -> PretrainConfig:
    """The paper's net in batches of 8."""
    base = presets.paper()
    net = dataclasses.replace(base.net, norm=norm)
    return dataclasses.replace(base, net=net, learn=dataclasses.replace(base.learn, batch_size=8))


def half(config: PretrainConfig, *, on: bool) -> PretrainConfig:
    """With bf16, fast here or not, or without."""
    return dataclasses.replace(config, learn=dataclasses.replace(config.learn, autocast=on, half="bf16"))


KINDS: dict[str, dict[str, tuple[Callable[[PretrainConfig, TripletBatch], Step], PretrainConfig]]] = {
    "full width, 8 pairs": {
        "naive, LRN, float32": (naive, full()),
        "ours, LRN, float32": (ours, half(full(), on=False)),
        "ours, LRN, bf16": (ours, half(full(), on=True)),
        "ours, batch norm, float32": (ours, half(full("batch"), on=False)),
    },
    "`small`, 32 pairs": {
        "naive, batch norm, float32": (naive, presets.small()),
        "ours, float32 (`small`)": (ours, presets.small()),
        "ours, bf16": (ours, half(presets.small(), on=True)),
    },
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one step, and the most memory that its process had."""

    wall_s: float
    cpu_s: float
    peak_gb: float


def table(title: str, *, rounds: int, threads: int) -> None:
    """Time the kinds of a title in turns; print ms a positive and the ratios to the first kind."""
    costs: dict[str, list[Cost]] = {name: [] for name in KINDS[title]}
    for _ in range(rounds):
        for name, found in costs.items():
            found.append(in_its_own_process(title, name, threads=threads))
    print(f"\n{title}\n\n| step | ms a positive | ms (CPU) | x faster | x faster (CPU) | worst, best | peak, GB |")
    print("|---|---|---|---|---|---|---|")
    first, *_ = costs.values()
    for name, found in costs.items():
        count = KINDS[title][name][1].learn.batch_size
        wall_ms = statistics.median(cost.wall_s for cost in found) / count * 1e3
        cpu_ms = statistics.median(cost.cpu_s for cost in found) / count * 1e3
        wall = statistics.median(slow.wall_s / cost.wall_s for slow, cost in zip(first, found, strict=True))
        ratios = [slow.cpu_s / cost.cpu_s for slow, cost in zip(first, found, strict=True)]
        peak = max(cost.peak_gb for cost in found)
        print(
            f"| {name} | {wall_ms:.0f} | {cpu_ms:.0f} | {wall:.1f} | **{statistics.median(ratios):.1f}** "
            f"| {min(ratios):.1f}, {max(ratios):.1f} | {peak:.1f} |",
            flush=True,
        )


def in_its_own_process(title: str, name: str, *, threads: int) -> Cost:
    """So that only one network is in memory, and that its peak is its own."""
    command = [sys.executable, "-m", "benchmarks.pretrain_step", "--alone", title, name, "--threads", str(threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(*map(float, found.stdout.split()))


def alone(title: str, name: str) -> None:
    """A step of one kind after one to warm up; print its cost."""
    make, config = KINDS[title][name]
    step = make(config, a_batch(config))
    step()
    began = time.perf_counter(), time.process_time()
    step()
    ended = time.perf_counter(), time.process_time()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(ended[0] - began[0], ended[1] - began[1], int(peak.split()[1]) / 1e6)


def stalls(data: Path, *, steps: int) -> None:
    """Train by `small` on real clips; print the share of the time in which the next batch was not there."""
    base = presets.small()
    config = dataclasses.replace(
        base, learn=dataclasses.replace(base.learn, steps=steps, validate_every_steps=steps),
        pack=dataclasses.replace(base.pack, backend="dis"), val_triplets=2,
    )  # fmt: skip
    clips = sorted((data / "videos" / "weizmann").rglob("*.avi"))[:14]
    print(f"\n`small`, {steps} steps on {len(clips)} clips of Weizmann\n\n| packs | stall | ms a step |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        packs = Path(name) / "packs"
        videos = [PretrainVideo(name=clip.name, pack=_pack(clip, packs, config)) for clip in clips]
        for where, cache_bytes in (("in memory", 1 << 32), ("read each time", 0)):
            folder = Path(name) / where
            run = pretrain(videos, config=config, folder=folder, seed=0, device="cpu", cache_bytes=cache_bytes)
            heard: list[Progress] = []
            run_to_end(run, heard.append)
            times = heard[-1].metrics
            print(f"| {where} | {100 * times['stall']:.2f} % | {times['step_ms']:.0f} |", flush=True)


def _pack(clip: Path, folder: Path, config: PretrainConfig) -> Pack:
    sha = sha256(clip.read_bytes()).hexdigest()
    return run_to_end(
        build_pack(clip, folder / sha, config.pack, video_sha256=sha, limits=DecodeLimits()), lambda _: None
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60, help="of the run whose stall is measured")
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--alone", nargs=2, metavar=("TITLE", "STEP"), help="print only what one kind costs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        alone(*options.alone)
        return
    print(f"{describe()}; {options.threads} threads, {options.rounds} rounds", flush=True)
    for title in KINDS:
        table(title, rounds=options.rounds, threads=options.threads)
    stalls(options.data, steps=options.steps)
    print(f"\nAt the end: {describe()}")


if __name__ == "__main__":
    main()
