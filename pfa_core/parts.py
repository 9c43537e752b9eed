"""The parts of a batch: each device cuts its own, and the result does not depend on where they are cut."""

from collections.abc import Sequence

import torch

from pfa_core import seeds
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.frame_store import FrameStore
from pfa_core.triplets import TripletBatch, sample_batch


def sample_parts(
    store: FrameStore, config: PretrainConfig, *, key: tuple[int, ...], parts: Sequence[int]
) -> TripletBatch:
    """Some of the `config.devices` equal parts of the batch that `key` names, one after the other.

    Each part is drawn from a stream of its own and has its negatives in itself, so a part is the same whichever
    process cuts it, and all parts in one process are the whole batch.
    """
    count = config.learn.batch_size // config.devices
    if config.devices == 1:
        return sample_batch(store, config, count=count, rng=seeds.generator(*key))
    return joined([sample_batch(store, config, count=count, rng=seeds.generator(*key, part)) for part in parts])


def joined(batches: Sequence[TripletBatch]) -> TripletBatch:
    """One batch of several, each keeping its own negatives."""
    if len(batches) == 1:
        return batches[0]
    first_rows = [sum(len(before.video) for before in batches[:i]) for i in range(len(batches))]
    return TripletBatch(
        first_u8=torch.cat([batch.first_u8 for batch in batches]),
        second_u8=torch.cat([batch.second_u8 for batch in batches]),
        block_i8=torch.cat([batch.block_i8 for batch in batches]),
        video=torch.cat([batch.video for batch in batches]),
        negatives=torch.cat([batch.negatives + row for batch, row in zip(batches, first_rows, strict=True)]),
    )
