"""The training loop that every recipe shares.

A step is a function of (weights, momentum, seed, step) alone: batches are asked for by step number, and torch draws
from (seed, step). So a run that was killed and resumed gives the same weights as one that never stopped.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from pfa_core.best import Goal
from pfa_core.config.net import LearnConfig
from pfa_core.devices import device_of, moved, placed
from pfa_core.errors import CheckpointMismatch, ConfigInvalid
from pfa_core.history import Row
from pfa_core.prefetch import ONE_AHEAD, Prefetch, prefetched
from pfa_core.progress import Progress
from pfa_core.ranks import ALONE, Ranks
from pfa_core.records import Draw, Records, Validate
from pfa_core.run_state import Figures, RunState
from pfa_core.stopwatch import Stopwatch

__all__ = ["Goal", "TrainResult", "device_of", "train"]

B = TypeVar("B")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a finished run leaves besides the weights."""

    steps: int
    metrics: dict[str, float]
    """The figures of the validation of the weights that are returned; `train_loss`, the mean over the last recorded
    steps; `best_step`, the step of the best validation; `stopped_step`, only where patience ended the run."""
    history: list[Row]
    """Rows of `step`, `loss` (the training loss, a mean since the row before) and other training figures,
    `learning_rate`, and, where there was a validation, its figures with the prefix `val_`."""
    times: dict[str, float] = field(compare=False)
    """`stall` and `step_ms` of this process's part of the run, see `Times.figures`; two equal runs differ in them."""


def train(
    model: nn.Module,
    *,
    batch_of: Callable[[int], B],
    loss_of: Callable[[nn.Module, B], tuple[Tensor, Figures]],
    learn: LearnConfig,
    folder: Path,
    config_sha256: str,
    device: torch.device,
    seed: int,
    validate: Validate | None = None,
    parameters: Iterable[nn.Parameter] | None = None,
    rates: Mapping[nn.Parameter, float] | None = None,
    ranks: Ranks = ALONE,
    goal: Goal | None = None,
    draw: Draw | None = None,
    prefetch: Prefetch = ONE_AHEAD,
) -> Generator[Progress, None, TrainResult]:
    """Train `model` in place, yielding after every step; go on from the newest checkpoint of `folder`.

    Closing the generator writes a checkpoint first. With `learn.ema_decay` the averaged weights are validated, and the
    model has them in the end. A run that stops early ends with a `Progress` whose total is the steps it took.

    Args:
        batch_of: a pure function of the step (0..steps - 1), called ahead, in threads as `prefetch` says; its
            tensors are moved to `device`.
        loss_of: scalar loss and figures to report, such as the accuracy on the batch.
        folder: receives `checkpoints/`, `metrics.jsonl`, `times.jsonl`, `figures/` and `tensorboard/`.
        config_sha256: tells this run from others; see `checkpoint.digest_of`.
        validate: called with the model in evaluation mode, without gradients, every `validate_every_steps` and at
            the end.
        goal: the figure of `validate` by which the best weights are found, which are kept beside the checkpoints.
        draw: pictures of what has been learned, after some of the validations (`records.NUM_DRAWN`) and the last;
            called as `validate` is. The latest are in `figures/`, all in TensorBoard.
        parameters: those to train; None trains all. Batch norms outside them keep their statistics.
        rates: what the learning rate of some parameters is multiplied by; that of the others by 1.
        ranks: who else takes the same steps; `loss_of` and `validate` must give every rank the same figures. Rank 0
            alone writes; all go on from the same checkpoint.
        prefetch: how batches are made ahead; with more than one thread, `batch_of` runs for several steps at once.

    Raises:
        ConfigInvalid: `learn` asks for the best weights, and there is no goal.
        TrainingDiverged: the loss is not finite; the weights are those before that step.
        CheckpointMismatch, CheckpointDamaged: see `load_checkpoint`; CheckpointMismatch also where `ranks` differ.
    """
    if goal is None and (learn.returns_best or learn.patience is not None):
        raise ConfigInvalid(
            "This recipe has no validation figure to go by: leave out learn.patience and learn.returns."
        )
    run = RunState(
        placed(model, device),
        learn,
        device=device,
        seed=seed,
        parameters=parameters,
        rates=rates,
        goal=goal,
        rank=ranks.rank,
    )
    records = Records(run, learn, folder, config_sha256=config_sha256, validate=validate, draw=draw, leads=ranks.leads)
    if not ranks.agree(f"{run.step} {config_sha256}"):
        raise CheckpointMismatch(
            "The processes that are to train together do not begin alike: on every machine the working folder must be"
            " the same shared one, and so must the videos, the configuration and the seed."
        )
    watch = Stopwatch(time.perf_counter)

    def fetch(step: int) -> B:
        return moved(batch_of(step), device)

    batches = prefetched(fetch, range(run.step, run.step if run.over else learn.steps), prefetch)
    try:
        while True:
            with watch.waiting():
                batch = next(batches, None)
            if batch is None:
                break
            with watch.stepping():
                run.advance(batch, loss_of)
            records.note(watch)
            total = run.step if run.over else learn.steps
            yield Progress(phase="train", step=run.step, total=total, metrics=run.latest() | watch.total.figures())
            if run.over:
                break
    except GeneratorExit:
        records.save()
        raise
    finally:
        batches.close()
        records.close()
    records.finish()
    return TrainResult(steps=run.step, metrics=run.metrics(), history=records.rows, times=watch.total.figures())
