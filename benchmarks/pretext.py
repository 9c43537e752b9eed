"""What pretraining learns on real clips: `python -m benchmarks.pretext --work FOLDER [--held-out val]`.

Learns from the clips of the people and sequences that `splits.json` gives for training and from those that belong to
no split, with the `small()` preset, and judges the pretext question on the held-out ones: `test` for a figure that
counts, once; `val`, which is cut out of the training part, for every choice that is made on the way there.

Flow is computed first where it is missing. A run that was stopped goes on. Prints a line a validation and, at the end,
a Markdown table; writes the curves beside the run.
"""

import argparse
import csv
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe
from pfa_core.config import pretrain as presets
from pfa_core.config.flow import PackConfig
from pfa_core.durable import sha256_of
from pfa_core.errors import InputError
from pfa_core.figures import curves_png
from pfa_core.packs import Pack, pack_key
from pfa_core.pretrain import PretrainResult, PretrainVideo, pretrain
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from pfa_store.specs import resolve
from workers.listed_tasks import pack_all
from workers.pack_task import PackTask

VALIDATION_GROUPS = frozenset({"lena", "set1_seq06", "set2_seq15", "set2_seq16"})
"""Training people and sequences on whom choices are made: never those of the test."""


def task_of(path: Path, folder: Path, config: PackConfig) -> PackTask | None:
    """What is to be done for a clip; None if it does not decode."""
    limits = DecodeLimits()
    try:
        info = probe(path, limits=limits)
    except InputError as error:
        print(f"left out: {path.name}: {error}")
        return None
    sha256 = sha256_of(path)
    return PackTask(
        name=str(path), video=path, folder=folder / pack_key(sha256, config), config=config, video_sha256=sha256,
        limits=limits, pairs=max(0, info.num_frames - 1),
    )  # fmt: skip


def read_videos(data: Path, work: Path, config: PackConfig, *, held_out: str) -> list[PretrainVideo]:
    """The clips of `data` with their packs, split as `splits.json` says."""
    splits = json.loads((data / "splits.json").read_text())
    with (data / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "video"]
    tasks = {row["file"]: task_of(data / row["file"], work / "packs", config) for row in rows}
    wanted = [task for task in tasks.values() if task is not None]
    for _ in pack_all(wanted, processes=len(os.sched_getaffinity(0))):
        pass
    videos = []
    for row in rows:
        task = tasks[row["file"]]
        part = part_of(row, splits)
        if task is None or not task.folder.exists() or (part == "test" and held_out == "val"):
            continue
        split = part if part == held_out else "train"
        videos.append(
            PretrainVideo(name=row["file"], group=row["group"] or None, split=split, pack=Pack.open(task.folder))
        )
    return videos


def part_of(row: dict[str, str], splits: dict[str, Any]) -> str:
    """`test`, `val` (a part of the training half that is set apart), or `train`."""
    if row["group"] in splits.get(row["dataset"], {}).get("test", ()):
        return "test"
    return "val" if row["group"] in VALIDATION_GROUPS else "train"


def learn(videos: Sequence[PretrainVideo], config: presets.PretrainConfig, folder: Path, seed: int) -> PretrainResult:
    """Pretrain, printing every validation."""
    run = pretrain(videos, config=config, folder=folder, seed=seed)
    start_s, busy_s, step = time.perf_counter(), time.process_time(), 0
    while True:
        try:
            progress = next(run)
        except StopIteration as ended:
            print(f"{step} steps in {(time.perf_counter() - start_s) / 60:.1f} minutes (wall), "
                  f"{(time.process_time() - busy_s) / 60:.1f} (CPU)")  # fmt: skip
            result: PretrainResult = ended.value
            return result
        if progress.phase != "train":
            continue
        step = progress.step
        if step % config.learn.validate_every_steps == 0 or step == progress.total:
            figures = {name: value for name, value in progress.metrics.items() if name.startswith("val_")}
            shown = " ".join(f"{name.removeprefix('val_')} {value:.4f}" for name, value in figures.items())
            print(f"step {step}, {time.perf_counter() - start_s:.0f} s: {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PFA_TEST_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, required=True, help="folder for packs and runs")
    parser.add_argument("--name", default="pretext", help="name of the run within it")
    parser.add_argument("--held-out", choices=("val", "test"), default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="override, as learn.steps=1500")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = resolve(presets.small(), overrides(options.set))
    print(describe())
    videos = read_videos(options.data, options.work, config.pack, held_out=options.held_out)
    folder = options.work / options.name
    result = learn(videos, config, folder, options.seed)
    (folder / "curves.png").write_bytes(curves_png(result.history))
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=1))
    print("\n| " + " | ".join(result.metrics) + " |")
    print("|---" * len(result.metrics) + "|")
    print("| " + " | ".join(f"{value:.4f}" for value in result.metrics.values()) + " |")
    print(f"\nAt the end: {describe()}")


def overrides(settings: Sequence[str]) -> dict[str, Any]:
    """`["learn.steps=3"]` -> `{"learn": {"steps": 3}}`."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, value = setting.split("=", 1)
        *parents, last = key.split(".")
        part = found
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = json.loads(value)
    return found


if __name__ == "__main__":
    main()
