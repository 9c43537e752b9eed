"""Randomness from a key, such as (seed, step): the same key gives the same numbers, whatever ran before."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def generator(*key: int) -> np.random.Generator:
    """A numpy generator of its own for this key of numbers >= 0."""
    return np.random.default_rng(key)


def mixed(*key: int) -> int:
    """One number in 0..2**63 - 1 that depends on every number of the key."""
    low, high = np.random.SeedSequence(key).generate_state(2)
    return (int(high) << 32 | int(low)) >> 1


@contextmanager
def seeded(*key: int, device: torch.device | None = None) -> Iterator[None]:
    """Inside, torch draws from this key; outside, its global generators are as they were."""
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(mixed(*key))
        if on_gpu:
            torch.cuda.manual_seed(mixed(*key))
        yield
