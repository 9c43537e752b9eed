"""A pretraining run that says its steps, so that test_kill_and_resume can kill it: in a process of its own."""

import resource
import signal
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import torch

from pfa_core.config import pretrain as presets
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import NetConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.packs import Pack
from pfa_core.pretrain import PretrainResult, PretrainVideo, pretrain
from pfa_core.progress import Progress

STEPS = 30
CHECKPOINT_BYTES = 100_000
"""Less than a checkpoint has, more than any other file of the run."""


def config() -> PretrainConfig:
    """Everything that has a state: one cycle, momentum, clipping, dropout, batch norm, averages, the best weights."""
    base = presets.small()
    return replace(
        base,
        net=NetConfig(width=1 / 32, crop_px=64, norm="batch", dropout=0.3),
        pack=PackConfig(short_side_px=64, backend="dis", tvl1=base.pack.tvl1),
        learn=replace(
            base.learn, batch_size=4, steps=STEPS, max_norm=1.0, ema_decay=0.9, returns="best", autocast=False,
            validate_every_steps=4, checkpoint_every_steps=3,
        ),
        val_triplets=8,
    )  # fmt: skip


def run(packs: Path, folder: Path) -> Generator[Progress, None, PretrainResult]:
    """Learn from all packs but two, which validate."""
    torch.set_num_threads(1)
    videos = [
        PretrainVideo(name=path.name, pack=Pack.open(path), split="val" if place < 2 else "train")
        for place, path in enumerate(sorted(packs.iterdir()))
    ]
    return pretrain(videos, config=config(), folder=folder, seed=4, device="cpu", cache_bytes=1 << 24)


def main() -> None:
    """Arguments: packs, folder, and the step after which writing a checkpoint kills the process (0: none does)."""
    packs, folder, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    for progress in run(packs, folder):
        if progress.phase != "train":
            continue
        sys.stdout.write(f"{progress.step}\n")
        sys.stdout.flush()
        if progress.step == last:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (CHECKPOINT_BYTES, CHECKPOINT_BYTES))


if __name__ == "__main__":
    main()
