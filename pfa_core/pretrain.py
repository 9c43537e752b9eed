"""Pretraining: learn pose features from unlabelled videos. Source: paper section 3."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pfa_core import seeds
from pfa_core.checkpoint import digest_of
from pfa_core.colour import vary_colours
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.devices import placed
from pfa_core.engine import Goal, train
from pfa_core.errors import ConfigInvalid
from pfa_core.frame_store import FrameStore
from pfa_core.held_out import FIGURES, MODEL, TEST, TRAIN, PretrainVideo, identity, select, split
from pfa_core.history import Row
from pfa_core.left_out import LeftOut
from pfa_core.memory import free_bytes
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb
from pfa_core.nets.triplet import TripletNet, pretext_loss
from pfa_core.parts import sample_parts
from pfa_core.prefetch import plan
from pfa_core.pretext import pretext_test
from pfa_core.progress import Progress, run_to_end
from pfa_core.rank_group import run_ranks
from pfa_core.ranks import ALONE, Ranks
from pfa_core.records import Draw
from pfa_core.torchrun import joined, under_torchrun
from pfa_core.triplets import TripletBatch
from pfa_core.zoom import zoom_in

__all__ = ["PretrainResult", "PretrainVideo", "loss_of", "pretrain"]

GOAL = Goal(figure="auc", larger_is_better=True)
"""How well own blocks rank above others: what is kept are features, so the order counts and not how sure the answers
are, which the loss punishes; and it is finer than the accuracy."""


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
    processes: int | None = None,
) -> Generator[Progress, None, PretrainResult]:
    """Train the joint net; a run that was stopped goes on from the last checkpoint in `folder`.

    With more than one device it runs in processes of its own, one per device, or in those that torchrun started.

    Args:
        cache_bytes: frames and flow are kept in memory up to this size; None takes half of what is free on the
            device. It changes the speed, never the result.
        processes: a divisor of `config.devices`, None for that number itself. Each process takes equally many parts
            of every batch, so their number changes nothing but float rounding, and another may go on from a
            checkpoint, unless there is dropout, `colours` or `zoom`: each process draws its own.

    Raises:
        RankLost: one of several processes died; under torchrun also: one was asked to stop.
        NoUsableVideos: fewer than two videos are long enough and move.
        ConfigInvalid: a pack was made with another flow bound or working size than `config.pack` says.
        TrainingDiverged, CheckpointMismatch, CheckpointDamaged: see `engine.train`.
    """
    processes = config.devices if processes is None else processes
    if processes < 1 or config.devices % processes:
        raise ConfigInvalid(f"{processes} processes cannot share {config.devices} devices' parts of a batch equally.")
    _selected(videos, config)  # what is wrong with them is said before anything is started
    recipe = partial(
        _learn, videos=videos, config=config, folder=folder, seed=seed, processes=processes, cache_bytes=cache_bytes
    )
    if under_torchrun():
        return (yield from joined(partial(recipe, device=device), count=processes, device=device))
    if processes == 1:
        return (yield from recipe(ALONE, device=device))
    yield from run_ranks(partial(recipe, device=device), count=processes, device=device)
    # All of it is in the last checkpoint.
    return run_to_end(recipe(ALONE, device="cpu", cache_bytes=0), lambda _: None)


def _learn(
    ranks: Ranks,
    *,
    videos: Sequence[PretrainVideo],
    config: PretrainConfig,
    folder: Path,
    seed: int,
    device: str,
    processes: int,
    cache_bytes: int | None,
) -> Generator[Progress, None, PretrainResult]:
    """What each of the processes does; `ranks` is alone where it only reads the last checkpoint."""
    usable, left_out = _selected(videos, config)
    learned, held_out = split(usable, val_fraction=config.val_fraction, seed=seed)
    place = ranks.place(device)
    cache_bytes = ranks.share(free_bytes(place), place) // 2 if cache_bytes is None else cache_bytes
    store = FrameStore([video.pack for video in learned], cache_bytes=cache_bytes * 3 // 4, device=place)
    if ranks.count == processes:  # else there is nothing to train any more
        yield from store.load()
    tested = store
    if held_out:
        tested = FrameStore([video.pack for video in held_out], cache_bytes=cache_bytes // 4, device=place)
        if ranks.count == processes and ranks.leads:
            yield from tested.load()
    with seeds.seeded(seed, MODEL):
        model = TripletNet(config.net, flow_maps=2 * config.gap_frames)
    shared = ranks.parallel(placed(model, place))
    parts = range(config.devices)[ranks.rank :: ranks.count]
    run = yield from train(
        model,
        batch_of=lambda step: sample_parts(store, config, key=(seed, TRAIN, step), parts=parts),
        loss_of=lambda _, batch: ranks.mean(*loss_of(shared, batch, config)),
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(
            config,
            seed,
            [identity(part) for part in (learned, held_out)],
            processes if draws_in_steps(config) else None,
        ),
        device=place,
        seed=seed,
        validate=lambda net: ranks.from_leader(lambda: pretext_test(net, tested, config, key=(seed, TEST))),
        goal=GOAL,
        draw=_figures_of(tested, config, key=(seed, FIGURES)) if ranks.leads else None,
        ranks=ranks,
        prefetch=plan(in_memory=store.all_in_memory, processes=ranks.count),
    )
    counts = {"train_videos": float(len(learned)), "held_out_videos": float(len(held_out))}
    return PretrainResult(model=model, metrics=run.metrics | counts, history=run.history, left_out=left_out)


def _figures_of(store: FrameStore, config: PretrainConfig, *, key: tuple[int, ...]) -> Draw:
    from pfa_core.pretext_figures import PretextFigures  # loads what draws, which no step needs

    return PretextFigures(store, config, key=key)


def _selected(videos: Sequence[PretrainVideo], config: PretrainConfig) -> tuple[list[PretrainVideo], list[LeftOut]]:
    return select(videos, pack=config.pack, net=config.net, min_frames=config.min_frames)


def draws_in_steps(config: PretrainConfig) -> bool:
    """Whether a step draws from torch's generator, which each process has for itself."""
    return bool(config.net.dropout or config.colours or config.zoom > 1)


def loss_of(net: nn.Module, batch: TripletBatch, config: PretrainConfig) -> tuple[Tensor, dict[str, Any]]:
    """The pretext loss of a batch, and the share of (pair, block) combinations judged rightly."""
    first, second = normalise_rgb(batch.first_u8), normalise_rgb(batch.second_u8)
    if config.colours:
        first, second = vary_colours(first, second, strength=config.colours)
    block = normalise_flow(batch.block_i8, bound_px=config.pack.bound_px)
    if config.zoom > 1:
        first, second, block = zoom_in(first, second, block, largest=config.zoom)
    logits = net(first, second, block, batch.negatives)
    said_yes = logits.detach().argmax(dim=2).bool()  # (B, 1 + N)
    right = said_yes[:, :1].sum() + (~said_yes[:, 1:]).sum()
    return pretext_loss(logits), {"accuracy": right / said_yes.numel()}
