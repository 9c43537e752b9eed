"""What feeding the training step costs: `python -m benchmarks.loader`. Prints Markdown tables.

A sample is two crops 12 frames apart and the 24 maps between, at random places of UCF101's clips (flow by the `fast`
preset), cut by the code that training uses. Cold: before each sample the kernel is told to forget the pack's files
(posix_fadvise DONTNEED); a fresh map is used each time, since the kernel keeps what somebody has touched through a map.
The KiB read from the disk tell whether it did forget. The cost of a sample is processor time, user and system, on one
thread; "of the step" is its share of the processor time of a training step on a CPU.
"""

import argparse
import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from benchmarks.machine import describe
from pfa_core import seeds
from pfa_core.config import pretrain as presets
from pfa_core.config.flow import PackConfig, fast
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.cuts import cut_blocks, cut_frames
from pfa_core.devices import autocast, placed
from pfa_core.frame_store import FrameStore
from pfa_core.mapped_format import mapped_folder
from pfa_core.nets.triplet import TripletNet
from pfa_core.packs import Pack, build_pack
from pfa_core.pretrain import loss_of
from pfa_core.progress import run_to_end
from pfa_core.triplets import TripletBatch, draw_triplets
from pfa_core.video.limits import DecodeLimits

FORMS = {"compressed": (0, 1 << 60), "mapped": (0, 0), "in memory": (1 << 40, 0)}
"""(cache_bytes, keep_free_bytes) that make a store hold all its packs in this way."""
H200_S = (0.020, 0.030)
"""A step of 128 positives there, by PEERS.md."""
KINDS = {"small": (128, presets.small), "paper": (240, presets.paper)}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a sample."""

    cpu_s: float
    wall_s: float
    disk_kib: float


def packs_of(data: Path, folder: Path, *, short_side_px: int) -> list[Pack]:
    packs = []
    for clip in sorted((data / "videos" / "ucf101_samples").rglob("*g*_c01.avi")):
        sha256 = hashlib.sha256(clip.read_bytes()).hexdigest()
        config = PackConfig(short_side_px=short_side_px, tvl1=fast())
        steps = build_pack(clip, folder / clip.stem, config, video_sha256=sha256, limits=DecodeLimits())
        packs.append(run_to_end(steps, lambda _: None))
    return packs


def store_of(packs: list[Pack], form: str) -> FrameStore:
    cache_bytes, keep_free_bytes = FORMS[form]
    if form == "compressed":
        for pack in packs:  # or they would be used
            shutil.rmtree(mapped_folder(pack.folder), ignore_errors=True)
    store = FrameStore(packs, cache_bytes=cache_bytes, keep_free_bytes=keep_free_bytes)
    run_to_end(store.load(), lambda _: None)
    assert store.held()[form.replace(" ", "_")] == len(packs)
    return store


def samples(store: FrameStore, config: PretrainConfig, *, count: int, seed: int = 0) -> Iterator[None]:
    """Cut one after the other."""
    triplets = draw_triplets(store, config, count=count, rng=seeds.generator(seed))
    for triplet in triplets:
        cut_frames(store, [triplet], side=config.net.crop_px, gap=config.gap_frames)
        cut_blocks(store, [triplet], side=config.net.crop_px, gap=config.gap_frames)
        yield


def warm(store: FrameStore, config: PretrainConfig, *, count: int) -> Cost:
    for _ in samples(store, config, count=count):  # brings everything into the page cache
        pass
    started = _now()
    for _ in samples(store, config, count=count):
        pass
    return _since(started, count)


def cold(packs: list[Pack], form: str, config: PretrainConfig, *, count: int) -> Cost:
    costs = []
    for seed in range(count):
        pack = packs[seed % len(packs)]
        store = store_of([pack], form)  # a new map, of which nothing was touched yet: what was could not be forgotten
        for folder in (pack.folder, mapped_folder(pack.folder)):
            _forget(folder)
        started = _now()
        for _ in samples(store, config, count=1, seed=seed):
            pass
        costs.append(_since(started, 1))
    return Cost(*(sum(getattr(cost, name) for cost in costs) / count for name in ("cpu_s", "wall_s", "disk_kib")))


def _forget(folder: Path) -> None:
    for path in folder.glob("*"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)  # what is not on the disk yet cannot be forgotten
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _now() -> tuple[float, float, int]:
    return time.process_time(), time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_inblock


def _since(started: tuple[float, float, int], count: int) -> Cost:
    cpu_s, wall_s, blocks = (now - then for now, then in zip(_now(), started, strict=True))
    return Cost(cpu_s / count, wall_s / count, blocks / 2 / count)  # blocks of 512 bytes


def appetite(config: PretrainConfig, *, batch_size: int, steps: int) -> float:
    """Positives a second of processor time that forward, backward and SGD take, after a warm-up."""
    torch.manual_seed(0)
    net = placed(TripletNet(config.net, flow_maps=2 * config.gap_frames), torch.device("cpu"))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, fused=True)
    batch = _noise(config, batch_size)
    started = 0.0
    for step in range(steps + 1):
        if step == 1:
            started = time.process_time()
        with autocast(torch.device("cpu"), wanted=config.learn.autocast):
            loss, _ = loss_of(net, batch, config)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return batch_size * steps / (time.process_time() - started)


def _noise(config: PretrainConfig, count: int) -> TripletBatch:
    side, video = config.net.crop_px, torch.arange(count)
    crops = torch.randint(0, 256, (2, count, side, side, 3), dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    block = torch.randint(-127, 128, (count, 2 * config.gap_frames, side, side), dtype=torch.int8)
    negatives = (video[:, None] + torch.arange(1, 1 + config.num_negatives)) % count
    return TripletBatch(first_u8=crops[0], second_u8=crops[1], block_i8=block, video=video, negatives=negatives)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--packs", type=Path, help="keep the packs here instead of making them anew")
    parser.add_argument("--samples", type=int, default=400, help="from a warm page cache")
    parser.add_argument("--cold", type=int, default=24, help="samples from a cold page cache")
    parser.add_argument("--batch", type=int, default=8, help="positives in a step, for the appetite")
    parser.add_argument("--steps", type=int, default=3, help="steps, for the appetite")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        for kind, (short_side_px, preset) in KINDS.items():
            packs = packs_of(
                options.data, (options.packs or Path(name)) / str(short_side_px), short_side_px=short_side_px
            )
            table(kind, packs, preset(), options)
    print(describe())


def table(kind: str, packs: list[Pack], config: PretrainConfig, options: argparse.Namespace) -> None:
    """What a kind of training needs, and what each form gives it."""
    needed = appetite(config, batch_size=options.batch, steps=options.steps)
    h200 = " to ".join(f"{128 / step_s:.0f}" for step_s in reversed(H200_S))
    print(f"\n`{kind}()`: crops of {config.net.crop_px} px from packs of {config.pack.short_side_px} px.")
    print(f"Its step takes {needed:.1f} positives/s of a core; on an H200 (`paper()`, by PEERS.md) {h200}.\n")
    print(
        "| form | page cache | ms (CPU) | samples/s/core | of the step | cores for an H200 | ms (wall) | KiB of disk |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for form in FORMS:
        costs = {"warm": warm(store_of(packs, form), config, count=options.samples)}
        if form != "in memory":
            costs["cold"] = cold(packs, form, config, count=options.cold)
        for state, cost in costs.items():
            cores = " to ".join(f"{128 / step_s * cost.cpu_s:.1f}" for step_s in reversed(H200_S))
            print(
                f"| {form} | {state} | {cost.cpu_s * 1e3:.2f} | {1 / cost.cpu_s:.0f} | {needed * cost.cpu_s:.2%} "
                f"| {cores if kind == 'paper' else ''} | {cost.wall_s * 1e3:.2f} | {cost.disk_kib:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
