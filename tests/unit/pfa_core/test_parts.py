from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pfa_core import seeds
from pfa_core.config import pretrain as presets
from pfa_core.config.net import NetConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.errors import ConfigInvalid
from pfa_core.frame_store import FrameStore
from pfa_core.parts import sample_parts
from pfa_core.triplets import TripletBatch, sample_batch
from tests.unit.pfa_core.moving_clips import BOUND_PX, noise_clip

KEY = (7, 1, 3)


def shared(devices: int, *, batch_size: int = 12) -> PretrainConfig:
    base = presets.small()
    return replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, dropout=0.0),
        pack=replace(base.pack, short_side_px=64, bound_px=BOUND_PX),
        learn=replace(base.learn, batch_size=batch_size),
        devices=devices,
    )


@pytest.fixture(scope="module")
def store() -> FrameStore:
    return FrameStore([noise_clip(seed) for seed in range(3)])


def assert_equal(ours: TripletBatch, theirs: TripletBatch) -> None:
    for field in fields(TripletBatch):
        assert torch.equal(getattr(ours, field.name), getattr(theirs, field.name)), field.name


@pytest.mark.parametrize("devices", [1, 2, 3, 6])
def test_the_whole_batch_is_its_parts_one_after_the_other(store: FrameStore, devices: int) -> None:
    whole = sample_parts(store, shared(devices), key=KEY, parts=range(devices))
    size = 12 // devices
    for part in range(devices):
        alone = sample_parts(store, shared(devices), key=KEY, parts=[part])
        rows = slice(part * size, (part + 1) * size)
        for name in ("first_u8", "second_u8", "block_i8", "video"):
            assert torch.equal(getattr(whole, name)[rows], getattr(alone, name)), name
        assert torch.equal(whole.negatives[rows] - part * size, alone.negatives)


@pytest.mark.parametrize("devices", [1, 2, 3, 6])
def test_negatives_lie_in_their_own_part_and_are_of_other_videos(store: FrameStore, devices: int) -> None:
    for step in range(20):
        whole = sample_parts(store, shared(devices), key=(step,), parts=range(devices))
        part_of = np.arange(12) // (12 // devices)
        assert np.array_equal(part_of[whole.negatives.numpy()], np.repeat(part_of[:, None], 2, axis=1))
        assert not (whole.video[whole.negatives] == whole.video[:, None]).any()


def test_parts_differ_and_one_part_is_the_plain_batch(store: FrameStore) -> None:
    first, second = (sample_parts(store, shared(2), key=KEY, parts=[part]) for part in (0, 1))
    assert not torch.equal(first.first_u8, second.first_u8)
    plain = sample_batch(store, shared(1), count=12, rng=seeds.generator(*KEY))
    assert_equal(sample_parts(store, shared(1), key=KEY, parts=[0]), plain)


@pytest.mark.parametrize(("devices", "batch_size"), [(0, 12), (-1, 12), (5, 12), (4, 4), (1, 1)])
def test_parts_must_be_equal_and_hold_two_triplets(devices: int, batch_size: int) -> None:
    with pytest.raises(ConfigInvalid, match="devices"):
        shared(devices, batch_size=batch_size)
