"""Pretraining by ranking tracked patches, the paper's baseline [11].

Source: Wang and Gupta, "Unsupervised Learning of Visual Representations using Videos", ICCV 2015; paper section 4.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core import seeds
from pfa_core.appearance_run import AppearanceResult, learn_appearance
from pfa_core.config.ranking import RankingConfig
from pfa_core.devices import moved
from pfa_core.engine import Goal
from pfa_core.errors import VideoUntrackable
from pfa_core.frame_store import FrameStore
from pfa_core.held_out import MODEL, PretrainVideo, need_two, select, split
from pfa_core.left_out import LeftOut
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.nets.ranking import RankingNet, cosine_distances, hard_negatives, ranked, ranking_loss
from pfa_core.progress import Progress
from pfa_core.track_pairs import PairBatch, sample_pairs
from pfa_core.tracks import Track, mine_tracks

Tracks = dict[str, list[Track]]
"""By the video's sha256."""


def pretrain_ranking(
    videos: Sequence[PretrainVideo],
    *,
    config: RankingConfig,
    folder: Path,
    seed: int,
    device: str = "auto",
    cache_bytes: int | None = None,
) -> Generator[Progress, None, AppearanceResult]:
    """Train on patches of tracks; a run that was stopped goes on from the last checkpoint in `folder`.

    The metrics are those of `ranking_test`, besides what `learn_appearance` says.

    Args:
        cache_bytes: see `pretrain`.

    Raises:
        NoUsableVideos: fewer than two videos are long enough and have a patch to follow.
        ConfigInvalid, TrainingDiverged, CheckpointMismatch, CheckpointDamaged: see `pretrain`.
    """
    usable, left_out = select(videos, pack=config.pack, net=config.net, min_frames=config.min_frames)
    tracks, untracked = yield from _mine(usable, config)
    left_out += untracked
    usable = [video for video in usable if video.pack.video_sha256 in tracks]
    need_two(usable, left_out)
    learned, held_out = split(usable, val_fraction=config.val_fraction, seed=seed)
    followed = [tracks[video.pack.video_sha256] for video in learned]
    tested = [tracks[video.pack.video_sha256] for video in held_out or learned]
    with seeds.seeded(seed, MODEL):
        model = RankingNet(config.net)
    trained = yield from learn_appearance(
        model,
        learned,
        held_out,
        config=config,
        folder=folder,
        seed=seed,
        device=device,
        cache_bytes=cache_bytes,
        batch_of=lambda store, step, rng: sample_pairs(
            store, followed, config, count=config.learn.batch_size, rng=rng, hard=step >= config.hard_from
        ),
        loss_of=lambda net, batch: loss_of(net, batch, config=config),
        test=lambda net, store, key: ranking_test(net, store, tested, config, key=key),
        goal=Goal(figure="accuracy", larger_is_better=True),
    )
    return AppearanceResult(model=model.appearance, metrics=trained.metrics, history=trained.history, left_out=left_out)


def _mine(
    videos: Sequence[PretrainVideo], config: RankingConfig
) -> Generator[Progress, None, tuple[Tracks, list[LeftOut]]]:
    """The tracks of each video that has any; and the videos that have none."""
    tracks: Tracks = {}
    left_out = []
    for done, video in enumerate(videos, start=1):
        found = mine_tracks(video.pack, config)
        if found:
            tracks[video.pack.video_sha256] = found
        else:
            reason = VideoUntrackable(
                "There is no patch to follow in this video: too little moves, or the camera does."
            )
            left_out.append(LeftOut.of(reason, name=video.name))
        yield Progress(phase="track", step=done, total=len(videos))
    return tracks, left_out


def loss_of(net: nn.Module, batch: PairBatch, *, config: RankingConfig) -> tuple[Tensor, dict[str, Any]]:
    """The ranking loss of a batch, and the share of (pair, negative) combinations that are ranked rightly."""
    distances = _distances(net, batch, config)
    negatives = batch.negatives
    if batch.hard:
        negatives = hard_negatives(distances, batch.video, count=config.num_negatives)
    positive, negative = ranked(distances.detach(), negatives)
    right = (positive < negative).float().mean()
    return ranking_loss(distances, negatives, margin=config.margin), {"accuracy": right}


def _distances(net: nn.Module, batch: PairBatch, config: RankingConfig) -> Tensor:
    """(B, 2B): the patches are scaled to the network's input, bilinearly."""
    images = normalise_rgb(batch.patches_u8)
    side = config.net.crop_px
    return cosine_distances(net(functional.interpolate(images, size=(side, side), mode="bilinear")))


def ranking_test(
    net: nn.Module,
    store: FrameStore,
    tracks: Sequence[Sequence[Track]],
    config: RankingConfig,
    *,
    key: tuple[int, ...],
) -> dict[str, float]:
    """Rank about `val_pairs` pairs against random negatives, the same ones for the same key, without augmentation.

    Returns:
        `accuracy`, the share of (query, positive, negative) that are ranked rightly, and `loss`. `chance` is that of a
        coin; a network that was never trained ranks better than a coin, since patches of one video look alike.
    """
    device = next(net.parameters()).device
    num_batches = -(-config.val_pairs // config.learn.batch_size)
    count = max(2, -(-config.val_pairs // num_batches))
    right, losses = [], []
    for i in range(num_batches):
        batch = sample_pairs(store, tracks, config, count=count, rng=seeds.generator(*key, i), augment=False)
        batch = moved(batch, device)
        distances = _distances(net, batch, config)
        positive, negative = ranked(distances, batch.negatives)
        right.append((positive < negative).double().mean())
        losses.append(ranking_loss(distances, batch.negatives, margin=config.margin).double())
    return {
        "accuracy": torch.stack(right).mean().item(),
        "chance": 0.5,
        "loss": torch.stack(losses).mean().item(),
    }
