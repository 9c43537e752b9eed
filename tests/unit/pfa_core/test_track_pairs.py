from dataclasses import replace

import numpy as np
import torch

from pfa_core.config import ranking
from pfa_core.config.net import NetConfig
from pfa_core.frame_store import FrameStore
from pfa_core.progress import run_to_end
from pfa_core.track_pairs import sample_pairs
from pfa_core.tracks import mine_tracks
from tests.unit.pfa_core.moving_clips import patch_clip

SIDE, GAP, OBJECT = 32, 8, 16
BASE = ranking.small()
CONFIG = replace(
    BASE, net=NetConfig(width=1 / 16, crop_px=64), pack=replace(BASE.pack, short_side_px=64), patch_px=SIDE,
    gap_frames=GAP,
)  # fmt: skip
CLIPS = [
    patch_clip(seed, path=[(16 + (seed + 1) * i, 24) for i in range(10 + seed)], side=OBJECT, size=(64, 80))
    for seed in range(3)
]
TRACKS = [mine_tracks(clip, CONFIG) for clip in CLIPS]


def test_both_patches_of_a_pair_show_the_object_in_the_same_place() -> None:
    batch = sample_pairs(FrameStore(CLIPS), TRACKS, CONFIG, count=9, rng=np.random.default_rng(0), augment=False)
    assert sorted(batch.video.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    inner = slice((SIDE - OBJECT) // 2 + 1, (SIDE + OBJECT) // 2 - 1)  # the object, but for a rounded pixel
    start, end = batch.patches_u8.unflatten(0, (2, 9))
    assert torch.equal(start[..., inner, inner], end[..., inner, inner])
    assert not torch.equal(start, end), "the background behind it is another"


def test_negatives_are_patches_of_other_videos() -> None:
    batch = sample_pairs(FrameStore(CLIPS), TRACKS, CONFIG, count=8, rng=np.random.default_rng(0))
    of = torch.cat([batch.video, batch.video])
    assert batch.negatives.shape == (8, 4)
    assert (of[batch.negatives] != batch.video[:, None]).all()
    assert (batch.negatives >= 8).any(), "the ends of tracks are negatives too"
    assert (batch.negatives < 8).any()


def test_a_pair_is_mirrored_as_a_whole() -> None:
    store = FrameStore(CLIPS)
    plain, turned = (
        sample_pairs(store, TRACKS, CONFIG, count=40, rng=np.random.default_rng(1), augment=augment).patches_u8
        for augment in (False, True)
    )
    mirrored = torch.tensor([not torch.equal(a, b) for a, b in zip(plain, turned, strict=True)])
    assert torch.equal(turned[mirrored], plain[mirrored].flip(3))
    assert torch.equal(mirrored[:40], mirrored[40:])
    assert 8 <= int(mirrored[:40].sum()) <= 32


def test_a_batch_depends_on_its_key_alone() -> None:
    cached = FrameStore(CLIPS, cache_bytes=1 << 30)
    run_to_end(cached.load(), lambda _: None)
    ours, theirs, other = (
        sample_pairs(store, TRACKS, CONFIG, count=6, rng=np.random.default_rng((7, key)))
        for store, key in ((cached, 1), (FrameStore(CLIPS), 1), (cached, 2))
    )
    assert torch.equal(ours.patches_u8, theirs.patches_u8)
    assert torch.equal(ours.negatives, theirs.negatives)
    assert not torch.equal(ours.patches_u8, other.patches_u8)
