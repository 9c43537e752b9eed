"""Flow against its peers: `python -m benchmarks.flow [--rounds 1]`. Prints Markdown tables.

Every round runs every method once on every pair; a ratio is the median, over rounds and pairs, of the time of OpenCV's
DualTVL1 at its defaults on one thread to the method's in the same round. Processor time is what a loaded machine
hardly changes; with more than one thread only wall time tells, and only on an idle machine. The pairs are Middlebury's,
of which four have ground truth, and pairs of UCF101 at 320 x 240. End-point errors are means over the pixels whose true
flow is known, in px; differences are mean distances from the reference, in px.
"""

import argparse
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe
from pfa_core.config import flow as presets
from pfa_core.flow import FlowEngine, luma, make_batch_engine, make_engine
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
PAIRS = ("RubberWhale", "Dimetrodon", "Venus", "Urban2", "Walking", "DogDance")
REFERENCE = "OpenCV paper, 1 thread"
UNKNOWN_PX = 1e9
"""Middlebury marks pixels of unknown flow by larger values."""


@dataclass(frozen=True, slots=True)
class Method:
    """An engine, and how many threads OpenCV may use meanwhile."""

    engine: FlowEngine
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two frames, and the true flow where it is known."""

    name: str
    first: Luma
    second: Luma
    truth: Flow | None


def read_pair(folder: Path) -> Pair:
    """A folder of Middlebury's: frame10.png, frame11.png and perhaps flow10.flo."""
    first, second = (luma(read_rgb(folder / name)) for name in ("frame10.png", "frame11.png"))
    truth = folder / "flow10.flo"
    return Pair(folder.name, first, second, read_flo(truth) if truth.exists() else None)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """An image as (H, W, 3) uint8 RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(image, np.uint8)


def read_flo(path: Path) -> Flow:
    """A .flo file as (H, W, 2) float32 px."""
    data = path.read_bytes()
    width, height = np.frombuffer(data, "<i4", 2, 4)
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


def end_point_error_px(flow: Flow, truth: Flow) -> float:
    """Mean distance from the true flow where that is known."""
    known = np.abs(truth).max(axis=2) < UNKNOWN_PX
    return float(np.linalg.norm(flow - truth, axis=2)[known].mean())


def methods(size: tuple[int, int]) -> Mapping[str, Method]:
    """What is compared, for frames of `size`."""
    paper, fast = presets.paper(), presets.fast()
    opencv = make_engine("opencv", paper, size=size)
    return {
        REFERENCE: Method(opencv),
        "OpenCV paper, 2 threads": Method(opencv, threads=2),
        "OpenCV fast": Method(make_engine("opencv", fast, size=size)),
        "fused paper": Method(make_engine("fused", paper, size=size)),
        "fused fast": Method(make_engine("fused", fast, size=size)),
        "torch CPU paper": Method(_torch_on_cpu(paper, size)),
        "torch CPU fast": Method(_torch_on_cpu(fast, size)),
        "DIS": Method(make_engine("dis", paper, size=size)),
        "Farneback": Method(farneback),
    }


def _torch_on_cpu(config: presets.TvL1Config, size: tuple[int, int]) -> FlowEngine:
    engine = make_batch_engine("torch", config, size=size, device="cpu")
    return lambda first, second, /: engine(first[None], second[None])[0]


def farneback(first: Luma, second: Luma, /) -> Flow:
    """OpenCV's, with the parameters of its documentation's example."""
    start = np.zeros((*first.shape, 2), np.float32)
    return np.asarray(cv2.calcOpticalFlowFarneback(first, second, start, 0.5, 3, 15, 3, 5, 1.2, 0), np.float32)


def ucf101_pairs(folder: Path, *, each: int) -> list[Pair]:
    """`each` pairs of neighbouring frames from every clip, evenly spaced."""
    pairs = []
    for path in sorted(folder.rglob("*.avi")):
        frames = [luma(frame) for frame in read_frames(path, limits=DecodeLimits(), short_side_px=240)]
        for i in np.linspace(10, len(frames) - 11, each).astype(int):
            pairs.append(Pair(f"{path.stem.removeprefix('v_')} {i}", frames[i], frames[i + 1], None))
    return pairs


@dataclass(frozen=True, slots=True)
class Result:
    """A pair measured: seconds by method and round, and the flow of each method."""

    pair: Pair
    cpu_s: Mapping[str, list[float]]
    wall_s: Mapping[str, list[float]]
    flows: Mapping[str, Flow]

    def error_px(self, name: str) -> float:
        """End-point error, or nan where the truth is not known."""
        return float("nan") if self.pair.truth is None else end_point_error_px(self.flows[name], self.pair.truth)

    def difference_px(self, name: str) -> float:
        """Mean distance from the reference's flow."""
        return float(np.linalg.norm(self.flows[name] - self.flows[REFERENCE], axis=2).mean())


def measure(pair: Pair, rounds: int) -> Result:
    """Run every method `rounds` times, in turn, after one run that is not counted of those that compile."""
    compared = methods((pair.first.shape[0], pair.first.shape[1]))
    compared["fused paper"].engine(pair.first, pair.second)
    cpu_s: dict[str, list[float]] = {name: [] for name in compared}
    wall_s: dict[str, list[float]] = {name: [] for name in compared}
    flows = {}
    for _ in range(rounds):
        for name, method in compared.items():
            cv2.setNumThreads(method.threads)
            cpu, wall = time.process_time(), time.perf_counter()
            flows[name] = method.engine(pair.first, pair.second)
            cpu_s[name].append(time.process_time() - cpu)
            wall_s[name].append(time.perf_counter() - wall)
    return Result(pair, cpu_s, wall_s, flows)


def speed_table(results: list[Result]) -> None:
    """A line per method: times, ratios and differences over all pairs."""
    print("| method | ms a pair (CPU) | x faster (CPU) | x faster (wall) | from OpenCV, px: median | worst |")
    print("|---|---|---|---|---|---|")
    for name in results[0].cpu_s:
        ratios = {}
        for kind in ("cpu_s", "wall_s"):
            times = [getattr(result, kind) for result in results]
            ratios[kind] = statistics.median(
                a / b for each in times for a, b in zip(each[REFERENCE], each[name], strict=True)
            )
        ms = statistics.median(min(result.cpu_s[name]) for result in results) * 1e3
        away = [result.difference_px(name) for result in results]
        numbers = f"{ms:.1f} | {ratios['cpu_s']:.1f} | {ratios['wall_s']:.1f}"
        print(f"| {name} | {numbers} | {statistics.median(away):.4f} | {max(away):.4f} |")


def error_table(pairs: list[Pair], rounds: int, *, what: str) -> list[Result]:
    """A line per pair, as soon as it is measured: end-point errors where they are known, else differences."""
    results: list[Result] = []
    for pair in pairs:
        result = measure(pair, rounds)
        names = list(result.flows)
        if not results:
            print(f"\n| {what} | " + " | ".join(names) + " |")
            print("|---" * (len(names) + 1) + "|")
        cells = [f"{result.difference_px(name) if pair.truth is None else result.error_px(name):.3f}" for name in names]
        print(f"| {pair.name} {pair.first.shape[1]}x{pair.first.shape[0]} | " + " | ".join(cells) + " |", flush=True)
        results.append(result)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds flow_gt and videos")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--each", type=int, default=3, help="pairs of every UCF101 clip")
    parser.add_argument("--pairs", default=",".join(PAIRS), help="Middlebury's, separated by commas")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}; {options.rounds} rounds\n")
    clips = ucf101_pairs(options.data / "videos" / "ucf101_samples", each=options.each)
    if clips:
        print("UCF101, 320x240\n", flush=True)
        speed_table([measure(pair, options.rounds) for pair in clips])
    folder = options.data / "flow_gt" / "middlebury"
    pairs = [read_pair(folder / name) for name in options.pairs.split(",")]
    known = [pair for pair in pairs if pair.truth is not None]
    found = error_table(known, options.rounds, what="end-point error, px")
    found += error_table([pair for pair in pairs if pair.truth is None], options.rounds, what="from OpenCV, px")
    print("\nMiddlebury\n")
    speed_table(found)
    print(f"\nAt the end: {describe()}")


if __name__ == "__main__":
    main()
