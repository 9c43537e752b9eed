"""A small pretraining run on two devices, started by test_ranks in this process and by torchrun in several."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from pfa_core.config import pretrain as presets
from pfa_core.config.net import NetConfig
from pfa_core.pretrain import PretrainVideo, pretrain
from pfa_core.progress import run_to_end
from tests.unit.pfa_core.moving_clips import BOUND_PX, dancing_clip

_SMALL = presets.small()
CONFIG = replace(
    _SMALL,
    net=NetConfig(width=1 / 32, crop_px=64, norm="batch", dropout=0.0),
    pack=replace(_SMALL.pack, short_side_px=64, bound_px=BOUND_PX),
    learn=replace(
        _SMALL.learn, batch_size=8, steps=6, learning_rate=0.02, validate_every_steps=3, checkpoint_every_steps=1000
    ),
    colours=0.0,
    val_triplets=8,
    devices=2,
)


def videos() -> list[PretrainVideo]:
    """Six clips; two of them are held out."""
    return [PretrainVideo(name=f"clip {seed}", pack=dancing_clip(seed)) for seed in range(6)]


def main() -> None:
    """Train in the folder that is named on the command line."""
    torch.set_num_threads(1)
    run_to_end(pretrain(videos(), config=CONFIG, folder=Path(sys.argv[1]), seed=5, device="cpu"), lambda _: None)


if __name__ == "__main__":
    main()
