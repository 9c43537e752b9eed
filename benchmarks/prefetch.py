"""Threads against processes for making batches ahead: `python -m benchmarks.prefetch`. Prints Markdown tables.

First, what of a sample's time is not spent decoding JPEGs, decompressing or copying rows, which let other threads run
meanwhile: this bounds how many threads help. It is an upper bound, since reading files is counted in. Then samples a
second by wall time of one thread, two threads and two processes, interleaved; the processes only cut, and hand nothing
over, which flatters them.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from threading import Barrier

import cv2
import numpy as np
import torch
import zstandard

from benchmarks.loader import KINDS, packs_of, samples, store_of, warm
from benchmarks.machine import describe
from pfa_core import seeds
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.cuts import cut_blocks, cut_frames
from pfa_core.pack_format import FLOW, FRAMES, read_pack
from pfa_core.packs import Pack
from pfa_core.triplets import draw_triplets


def python_s(packs: list[Pack], config: PretrainConfig, form: str, *, count: int) -> float:
    """Processor seconds of a sample but for decoding, decompressing and copying: with crops of one pixel."""
    store = store_of(packs, form)
    gap = config.gap_frames
    triplets = draw_triplets(store, config, count=count, rng=seeds.generator(0))
    started = time.process_time()
    for triplet in triplets:
        cut_frames(store, [triplet], side=1, gap=gap)
        cut_blocks(store, [triplet], side=1, gap=gap)
    total_s = time.process_time() - started
    if form == "compressed":
        total_s -= sum(_decoding_s(packs[triplet.video], triplet.first, gap) for triplet in triplets)
    return total_s / count


def _decoding_s(pack: Pack, first: int, gap: int) -> float:
    _, index = read_pack(pack.folder, verify=False)
    jpegs, zstds = (
        [file.read_bytes()[int(offsets[i]) : int(offsets[i + 1])] for i in items]
        for file, offsets, items in (
            (pack.folder / FRAMES, index.frames, (first, first + gap)),
            (pack.folder / FLOW, index.flow, range(first, first + gap)),
        )
    )
    started = time.thread_time()
    for data in jpegs:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    for data in zstds:
        zstandard.ZstdDecompressor().decompress(data)
    return time.thread_time() - started


def _cut(packs: list[Pack], form: str, kind: str, *, count: int, seed: int, start: Barrier) -> tuple[float, float]:
    """When it began and ended."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    config = KINDS[kind][1]()
    store = store_of(packs, form)
    for _ in samples(store, config, count=10, seed=seed):
        pass
    start.wait()
    began = time.monotonic()
    for _ in samples(store, config, count=count, seed=seed):
        pass
    return began, time.monotonic()


def threads_rate(packs: list[Pack], form: str, kind: str, *, threads: int, count: int) -> float:
    """Samples a second, with `count` for each thread."""
    start = Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(_cut, packs, form, kind, count=count, seed=seed, start=start) for seed in range(threads)]
        return _rate([job.result() for job in jobs], count)


def processes_rate(packs: list[Pack], form: str, kind: str, *, processes: int, count: int) -> float:
    """As `threads_rate`, in processes."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        start = manager.Barrier(processes)
        jobs = [pool.submit(_cut, packs, form, kind, count=count, seed=seed, start=start) for seed in range(processes)]
        return _rate([job.result() for job in jobs], count)


def _rate(spans: list[tuple[float, float]], count: int) -> float:
    return len(spans) * count / (max(end for _, end in spans) - min(began for began, _ in spans))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--packs", type=Path, help="keep the packs here instead of making them anew")
    parser.add_argument("--samples", type=int, default=300, help="for each thread or process")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print("| preset | form | ms a sample (CPU) | of it in Python | 2 threads / 1 | 2 processes / 1 | rounds |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for kind, (short_side_px, preset) in KINDS.items():
            folder = (options.packs or Path(name)) / str(short_side_px)
            packs = packs_of(options.data, folder, short_side_px=short_side_px)
            for form in ("compressed", "mapped"):
                print(line(packs, form, kind, preset(), options), flush=True)
    print(f"\n{describe()}")


def line(packs: list[Pack], form: str, kind: str, config: PretrainConfig, options: argparse.Namespace) -> str:
    """The cells of a preset and a form; ratios are medians, with all of them after it."""
    cost = warm(store_of(packs, form), config, count=options.samples)
    python = python_s(packs, config, form, count=options.samples)
    count = options.samples if form == "compressed" else 5 * options.samples
    threads, processes = [], []
    for _ in range(options.rounds):
        one = threads_rate(packs, form, kind, threads=1, count=count)
        threads.append(threads_rate(packs, form, kind, threads=2, count=count) / one)
        processes.append(processes_rate(packs, form, kind, processes=2, count=count) / one)
    each = ", ".join(f"{a:.2f} and {b:.2f}" for a, b in zip(threads, processes, strict=True))
    return (
        f"| `{kind}` | {form} | {cost.cpu_s * 1e3:.2f} | {python * 1e3:.2f} "
        f"| {median(threads):.2f} | {median(processes):.2f} | {each} |"
    )


if __name__ == "__main__":
    main()
