"""Pretraining: learn pose features from unlabelled videos. Source: paper section 3."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pfa_core import seeds
from pfa_core.checkpoint import digest_of
from pfa_core.colour import vary_colours
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.engine import device_of, train
from pfa_core.frame_store import FrameStore
from pfa_core.held_out import MODEL, TEST, TRAIN, PretrainVideo, identity, select, split
from pfa_core.history import Row
from pfa_core.left_out import LeftOut
from pfa_core.memory import free_bytes
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb
from pfa_core.nets.triplet import TripletNet, pretext_loss
from pfa_core.pretext import pretext_test
from pfa_core.progress import Progress
from pfa_core.triplets import TripletBatch, sample_batch

__all__ = ["PretrainResult", "PretrainVideo", "loss_of", "pretrain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainResult:
    model: TripletNet
    metrics: dict[str, float]
    """Of the last validation, see `pretext_test`; `train_loss`, `train_accuracy`; `train_videos`, `held_out_videos`,
    the latter 0 when there were too few videos to hold any out and the validation used those of the training."""
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
    usable, left_out = select(videos, pack=config.pack, net=config.net, min_frames=config.min_frames)
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
        loss_of=lambda net, batch: loss_of(net, batch, config),
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, seed, [identity(part) for part in (learned, held_out)]),
        device=place,
        seed=seed,
        validate=lambda net: pretext_test(net, tested, config, key=(seed, TEST)),
    )
    counts = {"train_videos": float(len(learned)), "held_out_videos": float(len(held_out))}
    return PretrainResult(model=model, metrics=run.metrics | counts, history=run.history, left_out=left_out)


def loss_of(net: nn.Module, batch: TripletBatch, config: PretrainConfig) -> tuple[Tensor, dict[str, Any]]:
    """The pretext loss of a batch, and the share of (pair, block) combinations judged rightly."""
    first, second = normalise_rgb(batch.first_u8), normalise_rgb(batch.second_u8)
    if config.colours:
        first, second = vary_colours(first, second, strength=config.colours)
    logits = net(first, second, normalise_flow(batch.block_i8, bound_px=config.pack.bound_px), batch.negatives)
    said_yes = logits.detach().argmax(dim=2).bool()  # (B, 1 + N)
    right = said_yes[:, :1].sum() + (~said_yes[:, 1:]).sum()
    return pretext_loss(logits), {"accuracy": right / said_yes.numel()}
