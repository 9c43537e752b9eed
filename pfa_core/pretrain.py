"""Pretraining: learn pose features from unlabelled videos. Source: paper section 3."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from pfa_core import seeds
from pfa_core.checkpoint import digest_of
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.engine import Goal, device_of, train
from pfa_core.errors import ConfigInvalid, InputError, NoUsableVideos, VideoStill, VideoTooShort
from pfa_core.frame_store import Clip, FrameStore
from pfa_core.history import Row
from pfa_core.left_out import LeftOut, facts, reasons
from pfa_core.memory import free_bytes
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb
from pfa_core.nets.triplet import TripletNet, pretext_loss
from pfa_core.pretext import pretext_test
from pfa_core.pretext_figures import PretextFigures
from pfa_core.progress import Progress
from pfa_core.triplets import TripletBatch, sample_batch

GOAL = Goal(figure="auc", larger_is_better=True)
"""How well own blocks rank above others: what is kept are features, so the order counts and not how sure the answers
are, which the loss punishes; and it is finer than the accuracy."""

MODEL, TRAIN, SPLIT, TEST, FIGURES = range(5)
"""Streams of randomness, so that none depends on how much another draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainVideo:
    """A video to learn from."""

    name: str
    group: str | None = None
    """Videos of one group (person, scene) are held out together."""
    split: str | None = None
    """`train`, `val` or `test`; val and test are held out."""
    pack: Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainResult:
    model: TripletNet
    metrics: dict[str, float]
    """Of the validation, see `pretext_test`, and of the run, see `TrainResult`; `train_videos`, `held_out_videos`, the
    latter 0 when there were too few videos to hold any out and the validation used those of the training."""
    history: list[Row]
    left_out: list[LeftOut]


def pretrain(
    videos: Sequence[PretrainVideo],
    *,
    config: PretrainConfig,
    folder: Path,
    seed: int,
    device: str = "auto",
    cache_bytes: int | None = None,
) -> Generator[Progress, None, PretrainResult]:
    """Train the joint net; a run that was stopped goes on from the last checkpoint in `folder`.

    Args:
        cache_bytes: frames and flow are kept in memory up to this size; None takes half of what is free on the
            device. It changes the speed, never the result.

    Raises:
        NoUsableVideos: fewer than two videos are long enough and move.
        ConfigInvalid: a pack was made with another flow bound or working size than `config.pack` says.
        TrainingDiverged, CheckpointMismatch, CheckpointDamaged: see `engine.train`.
    """
    usable, left_out = select(videos, config)
    learned, held_out = split(usable, val_fraction=config.val_fraction, seed=seed)
    place = device_of(device)
    cache_bytes = free_bytes(place) // 2 if cache_bytes is None else cache_bytes
    store = FrameStore([video.pack for video in learned], cache_bytes=cache_bytes * 3 // 4, device=place)
    yield from store.load()
    tested = store
    if held_out:
        tested = FrameStore([video.pack for video in held_out], cache_bytes=cache_bytes // 4, device=place)
        yield from tested.load()
    with seeds.seeded(seed, MODEL):
        model = TripletNet(config.net, flow_maps=2 * config.gap_frames)
    run = yield from train(
        model,
        batch_of=lambda step: sample_batch(
            store, config, count=config.learn.batch_size, rng=seeds.generator(seed, TRAIN, step)
        ),
        loss_of=lambda net, batch: loss_of(net, batch, bound_px=config.pack.bound_px),
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, seed, [_identity(part) for part in (learned, held_out)]),
        device=place,
        seed=seed,
        validate=lambda net: pretext_test(net, tested, config, key=(seed, TEST)),
        goal=GOAL,
        draw=PretextFigures(tested, config, key=(seed, FIGURES)),
    )
    counts = {"train_videos": float(len(learned)), "held_out_videos": float(len(held_out))}
    return PretrainResult(model=model, metrics=run.metrics | counts, history=run.history, left_out=left_out)


def _identity(videos: Sequence[PretrainVideo]) -> list[str]:
    return [video.pack.video_sha256 for video in videos]


def loss_of(net: nn.Module, batch: TripletBatch, *, bound_px: float) -> tuple[Tensor, dict[str, Any]]:
    """The pretext loss of a batch, and the share of (pair, block) combinations judged rightly."""
    logits = net(
        normalise_rgb(batch.first_u8),
        normalise_rgb(batch.second_u8),
        normalise_flow(batch.block_i8, bound_px=bound_px),
        batch.negatives,
    )
    said_yes = logits.detach().argmax(dim=2).bool()  # (B, 1 + N)
    right = said_yes[:, :1].sum() + (~said_yes[:, 1:]).sum()
    return pretext_loss(logits), {"accuracy": right / said_yes.numel()}


def select(videos: Sequence[PretrainVideo], config: PretrainConfig) -> tuple[list[PretrainVideo], list[LeftOut]]:
    """Leave out videos that are too short or in which nothing moves.

    Raises:
        NoUsableVideos: fewer than two remain.
        ConfigInvalid: as `pretrain`.
    """
    usable, left_out = [], []
    for video in videos:
        reason = _unusable(video.pack, config)
        if reason is None:
            usable.append(video)
        else:
            left_out.append(LeftOut.of(reason, name=video.name))
    if len(usable) < 2:
        raise NoUsableVideos(
            f"{len(usable)} of {len(videos)} videos can be used; at least 2 are needed.{reasons(left_out)}",
            left_out=facts(left_out),
        )
    return usable, left_out


def _unusable(pack: Clip, config: PretrainConfig) -> InputError | None:
    if pack.bound_px != config.pack.bound_px or min(pack.size) < config.net.crop_px:
        raise ConfigInvalid("A pack was made with another configuration than pack.bound_px and pack.short_side_px say.")
    if pack.num_frames < config.gap_frames + 1:
        return VideoTooShort(num_frames=pack.num_frames, needed=config.gap_frames + 1)
    if pack.still:
        return VideoStill("Nothing moves in this video; there is no motion to learn from.")
    return None


def split(
    videos: Sequence[PretrainVideo], *, val_fraction: float, seed: int
) -> tuple[list[PretrainVideo], list[PretrainVideo]]:
    """Split into videos to learn from and videos held out (at least two, else none).

    Videos marked `val` or `test` are never learned from. Where there are none, whole groups are held out at random,
    as long as two videos remain to learn from.

    Raises:
        NoUsableVideos: fewer than two are left to learn from.
    """
    marked = [video for video in videos if video.split in ("val", "test")]
    if marked:
        learned = [video for video in videos if video.split not in ("val", "test")]
        if len(learned) < 2:
            raise NoUsableVideos(
                f"{len(marked)} of {len(videos)} usable videos are marked val or test; at least 2 others are needed."
            )
        return learned, marked if len(marked) >= 2 else []
    learned, held_out = _split_groups(videos, val_fraction=val_fraction, rng=seeds.generator(seed, SPLIT))
    return (list(videos), []) if min(len(learned), len(held_out)) < 2 else (learned, held_out)


def _split_groups(
    videos: Sequence[PretrainVideo], *, val_fraction: float, rng: np.random.Generator
) -> tuple[list[PretrainVideo], list[PretrainVideo]]:
    if val_fraction == 0:
        return list(videos), []
    names = [f"group {v.group}" if v.group is not None else f"video {i}" for i, v in enumerate(videos)]
    held: set[str] = set()
    order = sorted(set(names))
    rng.shuffle(order)
    for name in order:
        if sum(n in held for n in names) >= max(2, round(val_fraction * len(videos))):
            break
        held.add(name)
    return (
        [v for v, name in zip(videos, names, strict=True) if name not in held],
        [v for v, name in zip(videos, names, strict=True) if name in held],
    )
