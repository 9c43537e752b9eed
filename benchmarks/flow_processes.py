"""What flow costs besides time: `python -m benchmarks.flow_processes [--rounds 3]`. Prints Markdown tables.

Two processes against one (pairs a second by wall time, and the processor time of a pair, which says what they cost each
other when other load is on the machine); memory of a fresh process per engine; how long its first pair takes. Every
figure is from fresh processes. Pairs are UCF101's at 320 x 240.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe

T = TypeVar("T")
SIZE = (240, 320)
Pairs = NDArray[np.uint8]
"""(N, 2, 240, 320)"""


def fresh(function: Callable[..., T], *arguments: object) -> T:
    """The result of a call in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def read_pairs(data: Path, count: int) -> Pairs:
    """Pairs of neighbouring frames of a clip."""
    from benchmarks.flow import ucf101_pairs

    pairs = ucf101_pairs(data / "videos" / "ucf101_samples", each=count)[:count]
    return np.stack([np.stack([pair.first, pair.second]) for pair in pairs])


def _work(pairs: Pairs, start: Barrier, repeats: int) -> tuple[float, float, float]:
    """Start and end of the work, and processor seconds a pair."""
    from pfa_core.config.flow import paper
    from pfa_core.flow import make_engine

    engine = make_engine("fused", paper(), size=SIZE)
    engine(*pairs[0])
    start.wait()
    began, cpu = time.monotonic(), time.process_time()
    for _ in range(repeats):
        for first, second in pairs:
            engine(first, second)
    return began, time.monotonic(), (time.process_time() - cpu) / (repeats * len(pairs))


def throughput(pairs: Pairs, *, processes: int, repeats: int) -> tuple[float, float]:
    """Pairs a second of `processes` at once, and processor seconds a pair."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        start = manager.Barrier(processes)
        done = [pool.submit(_work, pairs, start, repeats) for _ in range(processes)]
        found = [each.result() for each in done]
    wall_s = max(end for _, end, _ in found) - min(began for began, _, _ in found)
    return processes * repeats * len(pairs) / wall_s, statistics.mean(cpu for _, _, cpu in found)


def scaling(pairs: Pairs, *, rounds: int, repeats: int) -> None:
    """One process, two, one, two, ..."""
    print("| round | 1 process: pairs/s | ms a pair (CPU) | 2: pairs/s | ms a pair (CPU) | wall ratio | CPU ratio |")
    print("|---|---|---|---|---|---|---|")
    walls, cpus = [], []
    for number in range(1, rounds + 1):
        one, two = (throughput(pairs, processes=n, repeats=repeats) for n in (1, 2))
        walls.append(two[0] / one[0])
        cpus.append(2 * one[1] / two[1])
        print(
            f"| {number} | {one[0]:.1f} | {one[1] * 1e3:.1f} | {two[0]:.1f} | {two[1] * 1e3:.1f} "
            f"| {walls[-1]:.2f} | {cpus[-1]:.2f} |",
            flush=True,
        )
    print(f"\nWall: best {max(walls):.2f}, median {statistics.median(walls):.2f}. ", end="")
    print(f"By processor time, as on cores of their own: median {statistics.median(cpus):.2f}.\n")


def _memory(backend: str, pairs: Pairs) -> tuple[float, float]:
    """MB of the process before there is an engine, and at its highest after all pairs."""
    import cv2

    from pfa_core.config.flow import paper
    from pfa_core.flow import make_engine, warm_up

    cv2.setNumThreads(1)
    if backend == "fused":
        warm_up()
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
        make_engine("torch", paper(), size=(16, 16))(pairs[0, 0, :16, :16], pairs[0, 0, :16, :16])
    before = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    engine = make_engine(backend, paper(), size=SIZE)  # type: ignore[arg-type]  # of our own list; its type would be imported too early
    for first, second in pairs:
        engine(first, second)
    return before, _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    """A line of /proc/self/status: memory that is resident (VmRSS), and at its highest (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def memory(pairs: Pairs) -> None:
    print("| engine | process with its libraries, MB | + engine and pairs, MB |")
    print("|---|---|---|")
    for backend in ("fused", "torch", "opencv", "dis"):
        before, after = fresh(_memory, backend, pairs[:2])
        print(f"| {backend} | {before:.0f} | {after - before:.0f} |", flush=True)


def _first_pair(pairs: Pairs) -> tuple[float, float, float]:
    """Seconds to import, for the first pair, and for the second."""
    started = time.perf_counter()
    from pfa_core.config.flow import paper
    from pfa_core.flow import make_engine

    engine = make_engine("fused", paper(), size=SIZE)
    times = [started, time.perf_counter()]
    for first, second in pairs[:2]:
        engine(first, second)
        times.append(time.perf_counter())
    imports, one, two = np.diff(times)
    return float(imports), float(one), float(two)


def latency(pairs: Pairs) -> None:
    print("\n| kernels | imports, s | first pair, s | second pair, s |\n|---|---|---|---|")
    fresh(_first_pair, pairs)  # fills the cache
    for name, cache in (("kept on disk", None), ("to be compiled", tempfile.TemporaryDirectory())):
        if cache is not None:
            os.environ["NUMBA_CACHE_DIR"] = cache.name
        imports, one, two = min((fresh(_first_pair, pairs) for _ in range(1 if cache else 3)), key=lambda t: t[1])
        print(f"| {name} | {imports:.2f} | {one:.2f} | {two:.3f} |", flush=True)
    os.environ.pop("NUMBA_CACHE_DIR", None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{describe()}\n")
    pairs = read_pairs(options.data, 4)
    scaling(pairs, rounds=options.rounds, repeats=options.repeats)
    memory(pairs)
    latency(pairs)
    print(f"\nAt the end: {describe()}")


if __name__ == "__main__":
    main()
