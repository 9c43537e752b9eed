"""What a forward pass costs by each executor: `python -m benchmarks.inference`. Prints a Markdown table a workload.

The first kind is the yardstick: torch's own layers (`nn.LocalResponseNorm`) in float32, memory as it comes. All kinds
have the same weights and take turns in one process, which runs with `pfa_store.tuning`'s settings of the allocator;
ratios are medians over the rounds. On a busy machine only the processor's time with one thread means much. Random
pixels stand for images: a pass costs the same. Sizes of batches are those of PEERS' table.
"""

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.machine import describe
from pfa_core.config.net import NetConfig
from pfa_core.executors import ExecutorName, Numerics, executor_of, piece_of
from pfa_core.nets.action import ActionNet, Run
from pfa_core.nets.layers import Convolution, Dense, Layer, LocalResponse, Pool, layers_of
from pfa_core.nets.pose import PoseNet
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.seeds import seeded
from pfa_store.tuning import TUNING

CPU = torch.device("cpu")
YARDSTICK = "torch's layers, float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    name: str
    crop_px: int
    rows: int
    threads: int
    pose: bool

    def net(self, width: float) -> nn.Module:
        """The same weights whenever it is asked."""
        config = NetConfig(width=width, crop_px=self.crop_px)
        with seeded(0):
            net: nn.Module = PoseNet(config, 9) if self.pose else ActionNet(config, 101)
            last = net.heatmaps if isinstance(net, PoseNet) else net.scores
            assert isinstance(last, nn.Conv2d | nn.Linear)
            nn.init.normal_(last.weight, std=0.05)
        return net.eval()


WORKLOADS = (
    Workload(name="pose b1", crop_px=256, rows=1, threads=1, pose=True),
    Workload(name="pose b8", crop_px=256, rows=8, threads=1, pose=True),
    Workload(name="action b8", crop_px=224, rows=8, threads=2, pose=False),
)


def torch_layer(layer: Layer) -> nn.Module:
    """As a user of torch would write it."""
    match layer:
        case Convolution():
            weight = torch.from_numpy(layer.weight)
            given, taken = weight.shape[:2] if layer.transposed else weight.shape[1::-1]
            kind = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
            conv = kind(given, taken, weight.shape[2], stride=layer.stride, padding=layer.padding)
            return _filled(conv, layer)
        case LocalResponse():
            return nn.LocalResponseNorm(layer.size, alpha=layer.alpha, beta=layer.beta, k=layer.k)
        case Pool():
            return nn.MaxPool2d(layer.size, stride=layer.stride, ceil_mode=True)
        case Dense():
            return nn.Sequential(nn.Flatten(), _filled(nn.Linear(*layer.weight.shape[::-1]), layer))


def _filled(part: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, layer: Convolution | Dense) -> nn.Module:
    part.load_state_dict({"weight": torch.from_numpy(layer.weight), "bias": torch.from_numpy(layer.bias)})
    return nn.Sequential(part, nn.ReLU()) if layer.relu else part


def run_by(net: nn.Module, side_px: int, *, executor: ExecutorName, numerics: Numerics) -> Run:
    chosen = executor_of(executor, device=CPU, numerics=numerics)
    run = chosen.run_of(piece_of(chosen.take(net), side_px=side_px))
    return lambda maps: run(maps.to(chosen.dtype)).float()


def kinds(work: Workload, *, width: float) -> dict[str, Run]:
    """Each loaded, with the processor's time that it took printed."""
    plain = nn.Sequential(*map(torch_layer, layers_of(work.net(width)))).eval()
    found: dict[str, Run] = {YARDSTICK: lambda maps: plain(maps.contiguous())}
    names: tuple[ExecutorName, ...] = ("eager", "openvino")
    for executor in names:
        for numerics in ("float32", "bfloat16"):
            began_s = time.process_time()
            assert numerics in ("float32", "bfloat16")
            run = run_by(work.net(width), work.crop_px, executor=executor, numerics=numerics)
            for rows in (1, 2, work.rows):
                run(images_of(work)[:rows])
            found[f"{executor}, {numerics}"] = run
            print(f"{executor}, {numerics}: loaded and warm in {time.process_time() - began_s:.1f} s (CPU)", flush=True)
    return found


def images_of(work: Workload) -> Tensor:
    pixels = torch.randint(0, 256, (max(2, work.rows), 3, work.crop_px, work.crop_px), dtype=torch.uint8)
    return normalise_rgb(pixels)


def measure(work: Workload, *, width: float, rounds: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(work.threads)
    print(f"\n### {work.name}, width {width:g}, {work.threads} thread(s)\n\n{describe()}\n", flush=True)
    with torch.inference_mode():
        runs = kinds(work, width=width)
        images = images_of(work)[: work.rows]
        exact = runs[YARDSTICK](images)
        errors = {name: float((run(images) - exact).norm() / exact.norm()) for name, run in runs.items()}
        wall: dict[str, list[float]] = {name: [] for name in runs}
        cpu: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                began = time.perf_counter(), time.process_time()
                run(images)
                wall[name].append(time.perf_counter() - began[0])
                cpu[name].append(time.process_time() - began[1])
    print(
        "\n| executor | ms (CPU) | x faster (CPU) | x faster (wall) | worst, best (CPU) | error |\n"
        "|---|---|---|---|---|---|"
    )
    for name in runs:
        ratios = [slow / fast for slow, fast in zip(cpu[YARDSTICK], cpu[name], strict=True)]
        walls = [slow / fast for slow, fast in zip(wall[YARDSTICK], wall[name], strict=True)]
        print(
            f"| {name} | {1000 * statistics.median(cpu[name]):.1f} | {statistics.median(ratios):.2f} "
            f"| {statistics.median(walls):.2f} | {min(ratios):.2f}, {max(ratios):.2f} | {errors[name]:.1e} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--only", choices=[work.name for work in WORKLOADS], help="one workload; all where not given")
    options = parser.parse_args()
    if not set(TUNING) <= set(os.environ):  # which C libraries read when a process starts
        command = [sys.executable, "-m", "benchmarks.inference", *sys.argv[1:]]
        os.execve(sys.executable, command, {**TUNING, **os.environ})
    for work in WORKLOADS:
        if options.only in (None, work.name):
            measure(work, width=options.width, rounds=options.rounds)
    print(f"\nAt the end: {describe()}")


if __name__ == "__main__":
    main()
