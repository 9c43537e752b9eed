"""What the recipes that train an Appearance ConvNet by itself have in common: stores, the loop, the test."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from torch import Tensor, nn

from pfa_core import seeds
from pfa_core.checkpoint import digest_of
from pfa_core.config.net import LearnConfig
from pfa_core.engine import Goal, TrainResult, device_of, train
from pfa_core.frame_store import FrameStore
from pfa_core.held_out import TEST, TRAIN, PretrainVideo, identity
from pfa_core.history import Row
from pfa_core.left_out import LeftOut
from pfa_core.memory import free_bytes
from pfa_core.nets.vggm import VggM
from pfa_core.prefetch import plan
from pfa_core.progress import Progress

B = TypeVar("B")


class _Config(Protocol):
    @property
    def learn(self) -> LearnConfig: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceResult:
    """An Appearance ConvNet by itself, to start other models from and to compare poses with."""

    model: VggM
    metrics: dict[str, float]
    """Of the last validation; `train_loss`; `train_videos` and `held_out_videos` as in `PretrainResult`."""
    history: list[Row]
    left_out: list[LeftOut]


def learn_appearance(
    model: nn.Module,
    learned: Sequence[PretrainVideo],
    held_out: Sequence[PretrainVideo],
    *,
    config: _Config,
    folder: Path,
    seed: int,
    device: str,
    cache_bytes: int | None,
    batch_of: Callable[[FrameStore, int, np.random.Generator], B],
    loss_of: Callable[[nn.Module, B], tuple[Tensor, Mapping[str, Any]]],
    test: Callable[[nn.Module, FrameStore, tuple[int, ...]], Mapping[str, float]],
    goal: Goal,
) -> Generator[Progress, None, TrainResult]:
    """Train `model` in place on `learned` and test it on `held_out`, or on `learned` where none is held out.

    Args:
        batch_of: the batch of a step, drawn from a store of the learned videos with a generator of that step's own.
        loss_of: see `engine.train`.
        test: figures on a store, the same ones for the same key.
        goal: which of them tells good weights from better ones.

    Returns:
        The run, with `train_videos` and `held_out_videos` among its metrics.

    Raises:
        TrainingDiverged, CheckpointMismatch, CheckpointDamaged: see `engine.train`.
    """
    place = device_of(device)
    cache_bytes = free_bytes(place) // 2 if cache_bytes is None else cache_bytes
    store = FrameStore([video.pack for video in learned], cache_bytes=cache_bytes * 3 // 4, device=place)
    yield from store.load()
    tested = store
    if held_out:
        tested = FrameStore([video.pack for video in held_out], cache_bytes=cache_bytes // 4, device=place)
        yield from tested.load()
    run = yield from train(
        model,
        batch_of=lambda step: batch_of(store, step, seeds.generator(seed, TRAIN, step)),
        loss_of=loss_of,
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, seed, [identity(part) for part in (learned, held_out)]),
        device=place,
        seed=seed,
        validate=lambda net: test(net, tested, (seed, TEST)),
        prefetch=plan(in_memory=store.all_in_memory),
        goal=goal,
    )
    counts = {"train_videos": float(len(learned)), "held_out_videos": float(len(held_out))}
    return replace(run, metrics=run.metrics | counts)
