"""Pictures of what a network has learned so far, while it pretrains. Source: paper section 4.1, figures 3 and 4."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from pfa_core import seeds
from pfa_core.backbones import appearance_of
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.cuts import cut_frames
from pfa_core.features import features
from pfa_core.figures import Image, closest_pairs, filters_sheet, pairs_sheet
from pfa_core.frame_store import FrameStore
from pfa_core.triplets import draw_triplets

NUM_FRAMES = 64
"""Crops among which pairs are looked for."""
NUM_PAIRS = 6


class PretextFigures:
    """`filters`: those of conv1; `pairs`: the crops closest to a few others in fc6 space; the same crops every time."""

    def __init__(self, store: FrameStore, config: PretrainConfig, *, key: tuple[int, ...]) -> None:
        drawn = draw_triplets(store, config, count=NUM_FRAMES, rng=seeds.generator(*key), augment=False)
        self._frames_u8 = cut_frames(store, drawn, side=config.net.crop_px, gap=config.gap_frames)[0]

    def __call__(self, net: nn.Module) -> Mapping[str, Image]:
        frames = self._frames_u8.permute(0, 2, 3, 1).cpu().numpy()  # (N, S, S, 3)
        chosen = np.linspace(0, len(frames) - 1, NUM_PAIRS).round().astype(int).tolist()
        found = closest_pairs(features(appearance_of(net), self._frames_u8), chosen=chosen)
        pairs = [(frames[query], frames[nearest], distance) for query, nearest, distance in found]
        return {"filters": filters_sheet(net), "pairs": pairs_sheet(pairs)}
