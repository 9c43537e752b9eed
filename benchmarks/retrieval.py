"""Nearest poses against FAISS: `OMP_NUM_THREADS=1 python -m benchmarks.retrieval`. Prints a Markdown table.

For each size a gallery is written as an index job writes it, then loaded, and asked by the same queries as a flat FAISS
index, in turns, in one process with one thread; ratios are medians of the rounds, by the processor's time, so that a
busy machine changes little. Recall@10 is the share of the exact ten (FAISS flat) that are found.

Features are made up: 4096 numbers, none negative, about half of them zero, as a ReLU leaves them; 500 clusters in a
space of 128 directions of falling strength, and noise in all 4096. Queries come from the same clusters. Real fc6
features have more structure, not less: a projection loses less of them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe
from pfa_core.gallery_edit import editing
from pfa_core.gallery_item import GalleryItem
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.retrieval import GalleryIndex

NUM_FEATURES, NUM_LATENT, NUM_CLUSTERS = 4096, 128, 500
K = 10
_BLOCK = 2000

T = TypeVar("T")
Search = Callable[[NDArray[np.float32]], list[list[int]]]
"""(Q, D) queries -> ids of the ten nearest of each."""


def features(count: int, *, seed: int) -> Iterator[NDArray[np.float32]]:
    """(n, D) blocks, `count` rows in all."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng([1, seed])
    strength = (np.arange(1, NUM_LATENT + 1) ** -0.5).astype(np.float32)
    centres = fixed.standard_normal((NUM_CLUSTERS, NUM_LATENT), dtype=np.float32) * strength
    mixing = fixed.standard_normal((NUM_LATENT, NUM_FEATURES), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        own = rng.standard_normal((size, NUM_LATENT), dtype=np.float32) * strength
        rows = (centres[rng.integers(0, NUM_CLUSTERS, size)] + 0.5 * own) @ mixing
        rows += 0.5 * rng.standard_normal(rows.shape, dtype=np.float32)
        yield np.maximum(rows, 0)


def written(folder: Path, count: int) -> dict[str, float]:
    """A gallery with a projection; what its parts cost, s of the processor."""
    began = time.process_time()
    with (
        SegmentWriter(folder / "segment", num_features=NUM_FEATURES) as writer,
        editing(folder / "gallery", reduced_from=1) as edit,
    ):
        done, made = 0, 0.0
        for rows in features(count, seed=0):
            ended = time.process_time()
            items = [GalleryItem(source=f"v{n // 100}", frame=n % 100) for n in range(done, done + len(rows))]
            writer.add(rows, items, [bytes(2000)] * len(rows))
            done += len(rows)
            made += time.process_time() - ended
        ended = time.process_time()
        edit.append(writer, key="benchmark", model="none@1", num_features=NUM_FEATURES)
        edit.publish()
        finished = time.process_time()
    return {"write": made, "seal and project": finished - ended, "all": finished - began}


def kinds(index: GalleryIndex, flat: faiss.Index) -> dict[str, Search]:
    def ours(queries: NDArray[np.float32], *, exact: bool) -> list[list[int]]:
        return [[one.id for one in found] for found in index.search(queries, k=K, exact=exact)]

    return {
        "FAISS flat": lambda queries: flat.search(queries, K)[1].tolist(),
        "exact": lambda queries: ours(queries, exact=True),
        "projected": lambda queries: ours(queries, exact=False),
    }


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What it returns; wall and processor time, ms."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def resident_mib() -> str:
    """Memory of its own, and mapped files in memory."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    own, of_files = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return f"{own:.0f} + {of_files:.0f}"


def measure(folder: Path, count: int, *, rounds: int) -> None:
    costs = written(folder, count)
    before = resident_mib()
    loads = [timed(lambda: GalleryIndex.load(folder / "gallery"))[1] for _ in range(3)]
    index = GalleryIndex.load(folder / "gallery")
    queries = np.concatenate(list(features(32 * rounds, seed=1)))
    _, first_ms, _ = timed(lambda: index.search(queries[:1], k=K))
    index.search(queries[:1], k=K, exact=True)
    after = resident_mib()
    flat = faiss.IndexFlatL2(NUM_FEATURES)
    for rows in features(count, seed=0):
        flat.add(rows)
    with_flat = resident_mib()
    print(
        f"\n{count} items: written in {costs['write']:.1f} s (CPU), sealed and projected in"
        f" {costs['seal and project']:.1f} s (CPU); loaded in {', '.join(f'{ms:.0f}' for ms in loads)} ms, first query"
        f" {first_ms:.0f} ms; resident MiB (own + mapped): before {before}, after searching {after}, with FAISS's copy"
        f" {with_flat}\n"
    )
    print("| search | batch | ms a query (CPU) | x FAISS flat (CPU) | worst, best | x FAISS flat (wall) | recall@10 |")
    print("|---|---|---|---|---|---|---|")
    searches = kinds(index, flat)
    for batch in (1, 32):
        wall: dict[str, list[float]] = {name: [] for name in searches}
        cpu: dict[str, list[float]] = {name: [] for name in searches}
        hits = dict.fromkeys(searches, 0)
        for number in range(rounds):
            asked, truth = queries[number * batch : (number + 1) * batch], list[list[int]]()
            for name, search in searches.items():
                answer, wall_ms, cpu_ms = timed(partial(search, asked))
                wall[name].append(wall_ms / batch)
                cpu[name].append(cpu_ms / batch)
                truth = answer if name == "FAISS flat" else truth
                hits[name] += sum(len(set(a) & set(b)) for a, b in zip(answer, truth, strict=True))
        for name in searches:
            by_cpu = [slow / fast for slow, fast in zip(cpu["FAISS flat"], cpu[name], strict=True)]
            by_wall = [slow / fast for slow, fast in zip(wall["FAISS flat"], wall[name], strict=True)]
            print(
                f"| {name} | {batch} | {statistics.median(cpu[name]):.2f} | {statistics.median(by_cpu):.2f}"
                f" | {min(by_cpu):.2f}, {max(by_cpu):.2f} | {statistics.median(by_wall):.2f}"
                f" | {hits[name] / (K * batch * rounds):.4f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scratch", type=Path, help="Where galleries are written: 16 KiB an item")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1: numpy reads it when it is imported")
    faiss.omp_set_num_threads(1)
    print(f"{describe()}; one thread, {options.rounds} rounds, {NUM_FEATURES} numbers a feature")
    for count in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            measure(Path(scratch), count, rounds=options.rounds)
    print(f"\nAt the end: {describe()}")


if __name__ == "__main__":
    main()
