"""Pretraining by slow and steady features, the paper's baseline [22].

Source: Jayaraman and Grauman, "Slow and Steady Feature Analysis", CVPR 2016; paper section 4. There the coherence
of unlabelled video regularises a supervised loss, and both are learned together. Here it is the unsupervised part
alone, applied to fc6: it yields features to start from, as the other objectives do, so that all can be compared on
the same videos and then on the same labels. Distances are Euclidean.
"""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pfa_core import seeds
from pfa_core.appearance_run import AppearanceResult, learn_appearance
from pfa_core.coherence import contrastive, slow_distances, steady_distances
from pfa_core.config.steady import SteadyConfig
from pfa_core.devices import moved
from pfa_core.engine import Goal
from pfa_core.frame_store import FrameStore
from pfa_core.frame_tuples import TupleBatch, sample_tuples
from pfa_core.held_out import MODEL, PretrainVideo, select, split
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.nets.vggm import VggM
from pfa_core.pretext import auc
from pfa_core.progress import Progress


def pretrain_steady(
    videos: Sequence[PretrainVideo],
    *,
    config: SteadyConfig,
    folder: Path,
    seed: int,
    device: str = "auto",
    cache_bytes: int | None = None,
) -> Generator[Progress, None, AppearanceResult]:
    """Train on tuples of frames; a run that was stopped goes on from the last checkpoint in `folder`.

    The metrics are those of `steady_test`, besides what `learn_appearance` says.

    Args:
        cache_bytes: see `pretrain`.

    Raises:
        NoUsableVideos: fewer than two videos are long enough and move.
        ConfigInvalid, TrainingDiverged, CheckpointMismatch, CheckpointDamaged: see `pretrain`.
    """
    usable, left_out = select(videos, pack=config.pack, net=config.net, min_frames=config.min_frames)
    learned, held_out = split(usable, val_fraction=config.val_fraction, seed=seed)
    with seeds.seeded(seed, MODEL):
        model = VggM(config.net)
    trained = yield from learn_appearance(
        model,
        learned,
        held_out,
        config=config,
        folder=folder,
        seed=seed,
        device=device,
        cache_bytes=cache_bytes,
        batch_of=lambda store, _, rng: sample_tuples(store, config, count=config.learn.batch_size, rng=rng),
        loss_of=lambda net, batch: loss_of(net, batch, config=config),
        test=lambda net, store, key: steady_test(net, store, config, key=key),
        goal=Goal(figure="auc", larger_is_better=True),
    )
    return AppearanceResult(model=model, metrics=trained.metrics, history=trained.history, left_out=left_out)


def loss_of(net: nn.Module, batch: TupleBatch, *, config: SteadyConfig) -> tuple[Tensor, dict[str, Any]]:
    """The weighted sum of both orders' losses, and each of them."""
    return coherence_loss(_features(net, batch), config=config)


def coherence_loss(tuples: Tensor, *, config: SteadyConfig) -> tuple[Tensor, dict[str, Any]]:
    """(4, B, F) features -> the weighted sum of both orders' losses; and `slow` and `steady`, each alone."""
    slow = contrastive(*slow_distances(tuples), margin=config.slow_margin)
    steady = contrastive(*steady_distances(tuples), margin=config.steady_margin)
    loss = config.slow_weight * slow + config.steady_weight * steady
    return loss, {"slow": slow.detach(), "steady": steady.detach()}


def _features(net: nn.Module, batch: TupleBatch) -> Tensor:
    """(4, B, F)"""
    return net(normalise_rgb(batch.frames_u8)).unflatten(0, (4, -1))


def steady_test(net: nn.Module, store: FrameStore, config: SteadyConfig, *, key: tuple[int, ...]) -> dict[str, float]:
    """Judge about `val_tuples` tuples, the same ones for the same key, without augmentation.

    Returns:
        `loss` with `slow` and `steady`, its two orders; `auc`, the probability that neighbours are nearer to each other
        than frames that are none, and `steady_auc`, the same of changes that follow each other. `chance` is that of a
        coin; a network that was never trained is better than a coin, since neighbouring frames look alike.
    """
    device = next(net.parameters()).device
    num_batches = -(-config.val_tuples // config.learn.batch_size)
    count = -(-config.val_tuples // num_batches)
    found = []
    for i in range(num_batches):
        batch = sample_tuples(store, config, count=count, rng=seeds.generator(*key, i), augment=False)
        found.append(_features(net, moved(batch, device)).float().cpu())
    tuples = torch.cat(found, dim=1)  # (4, N, F)
    loss, orders = coherence_loss(tuples, config=config)
    return {
        "loss": loss.item(),
        "slow": orders["slow"].item(),
        "steady": orders["steady"].item(),
        "auc": _nearer(*slow_distances(tuples)),
        "steady_auc": _nearer(*steady_distances(tuples)),
        "chance": 0.5,
    }


def _nearer(near: Tensor, far: Tensor) -> float:
    """Probability that the first is less than the second."""
    return auc(-near.double().numpy(), -far.double().numpy())
