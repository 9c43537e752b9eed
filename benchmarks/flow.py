"""Flow against its peers: `python -m benchmarks.flow [--rounds 3]`. Prints a Markdown table.

Every round runs every method once on every pair, on one thread; a ratio is the median over the rounds of processor
time against OpenCV's DualTVL1 at its defaults in the same round. The pairs are Middlebury's, of which four have ground
truth. End-point errors are means over the pixels whose true flow is known, in px.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config import flow as presets
from pfa_core.flow import luma, make_engine

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
PAIRS = ("RubberWhale", "Dimetrodon", "Venus", "Urban2", "Walking", "DogDance")
REFERENCE = "OpenCV paper"
UNKNOWN_PX = 1e9
"""Middlebury marks pixels of unknown flow by larger values."""


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


def methods(size: tuple[int, int]) -> Mapping[str, Callable[[Luma, Luma], Flow]]:
    """What is compared, for frames of `size`."""
    paper, fast = presets.paper(), presets.fast()
    return {
        REFERENCE: make_engine("opencv", paper, size=size),
        "fused paper": make_engine("fused", paper, size=size),
        "fused fast": make_engine("fused", fast, size=size),
        "DIS": make_engine("dis", paper, size=size),
    }


def measure(pair: Pair, rounds: int) -> tuple[dict[str, list[float]], dict[str, Flow]]:
    """Processor seconds of each method in each round, and its flow."""
    engines = methods((pair.first.shape[0], pair.first.shape[1]))
    flows = {name: engine(pair.first, pair.second) for name, engine in engines.items() if name != REFERENCE}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.process_time()
            flows[name] = engine(pair.first, pair.second)
            seconds[name].append(time.process_time() - started)
    return seconds, flows


def row(pair: Pair, rounds: int) -> tuple[str, dict[str, float]]:
    """A line of the table, and the ratios in it."""
    seconds, flows = measure(pair, rounds)
    names = [name for name in seconds if name != REFERENCE]
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds[REFERENCE], seconds[name], strict=True)) for name in names
    }
    cells = [f"{pair.name} {pair.first.shape[1]}x{pair.first.shape[0]}", f"{min(seconds[REFERENCE]) * 1e3:.0f}"]
    if pair.truth is None:
        cells.append("-")
    else:
        cells.append(f"{end_point_error_px(flows[REFERENCE], pair.truth):.3f}")
    for name in names:
        error = "-" if pair.truth is None else f"{end_point_error_px(flows[name], pair.truth):.3f}"
        difference = float(np.linalg.norm(flows[name] - flows[REFERENCE], axis=2).mean())
        cells += [f"{ratios[name]:.1f}", f"{min(seconds[name]) * 1e3:.0f}", error, f"{difference:.3f}"]
    return "| " + " | ".join(cells) + " |", ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds flow_gt/middlebury")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    names = ("fused paper", "fused fast", "DIS")
    head = ["pair", f"{REFERENCE} ms", "EPE px"]
    head += [f"{name} {what}" for name in names for what in ("x faster", "ms", "EPE px", "from OpenCV px")]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for name in PAIRS:
        line, found = row(read_pair(options.data / "flow_gt" / "middlebury" / name), options.rounds)
        print(line, flush=True)
        for key, ratio in found.items():
            ratios[key].append(ratio)
    medians = ", ".join(f"{name} {statistics.median(found):.1f}" for name, found in ratios.items())
    print(f"\nMedian times faster than {REFERENCE}: {medians}")


if __name__ == "__main__":
    main()
