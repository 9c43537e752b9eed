"""The training loop that every recipe shares.

A step is a function of (weights, momentum, seed, step) alone: batches are asked for by step number, and torch draws
from (seed, step). So a run that was killed and resumed gives the same weights as one that never stopped.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from pfa_core.best import Goal
from pfa_core.checkpoint import load_best, load_checkpoint, save_best, save_checkpoint
from pfa_core.config.net import LearnConfig
from pfa_core.devices import device_of, moved, placed
from pfa_core.errors import ConfigInvalid
from pfa_core.history import History, Row
from pfa_core.progress import Progress
from pfa_core.run_state import Figures, RunState
from pfa_core.stopwatch import Stopwatch

__all__ = ["Goal", "TrainResult", "device_of", "train"]

B = TypeVar("B")

NUM_ROWS = 1000
"""Losses are recorded about this often in a run, however long it is."""


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
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    parameters: Iterable[nn.Parameter] | None = None,
    goal: Goal | None = None,
) -> Generator[Progress, None, TrainResult]:
    """Train `model` in place, yielding after every step; go on from the newest checkpoint of `folder`.

    Closing the generator writes a checkpoint first. With `learn.ema_decay` the averaged weights are validated, and the
    model has them in the end. A run that stops early ends with a `Progress` whose total is the steps it took.

    Args:
        batch_of: a pure function of the step (0..steps - 1), called one step ahead in a thread of its own; its
            tensors are moved to `device`.
        loss_of: scalar loss and figures to report, such as the accuracy on the batch.
        folder: receives `checkpoints/`, `metrics.jsonl`, `times.jsonl` and `tensorboard/`.
        config_sha256: tells this run from others; see `checkpoint.digest_of`.
        validate: called with the model in evaluation mode, without gradients, every `validate_every_steps` and at
            the end.
        goal: the figure of `validate` by which the best weights are found, which are kept beside the checkpoints.
        parameters: those to train; None trains all. Batch norms outside them keep their statistics.

    Raises:
        ConfigInvalid: `learn` asks for the best weights, and there is no goal.
        TrainingDiverged: the loss is not finite; the weights are those before that step.
        CheckpointMismatch, CheckpointDamaged: see `load_checkpoint`.
    """
    if goal is None and (learn.returns_best or learn.patience is not None):
        raise ConfigInvalid(
            "This recipe has no validation figure to go by: leave out learn.patience and learn.returns."
        )
    run = RunState(placed(model, device), learn, device=device, seed=seed, parameters=parameters, goal=goal)
    checkpoints = folder / "checkpoints"
    run.restore(load_checkpoint(checkpoints, config_sha256=config_sha256))
    history = History(folder, run.rows)
    saved = run.step

    def save() -> None:
        nonlocal saved
        if saved != run.step:
            save_checkpoint(checkpoints, run.checkpoint(history.rows), config_sha256=config_sha256)
            saved = run.step

    def fetch(step: int) -> B:
        return moved(batch_of(step), device)

    watch = Stopwatch(time.perf_counter)
    every = max(1, learn.steps // NUM_ROWS)
    prefetcher = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        ahead = prefetcher.submit(fetch, run.step) if not run.over else None
        while ahead is not None:
            with watch.waiting():
                batch = ahead.result()
            ahead = prefetcher.submit(fetch, run.step + 1) if run.step + 1 < learn.steps else None
            with watch.stepping():
                run.advance(batch, loss_of)
            if run.step % every == 0 or run.step == learn.steps:
                history.add_times(run.step, watch.take_lap())
            if validate is not None and (run.step % learn.validate_every_steps == 0 or run.over):
                history.add(run.step, run.take_means() | run.measure(validate))
                if run.judge():
                    figures = run.best.figures
                    save_best(checkpoints, run.weights(), step=run.step, figures=figures, config_sha256=config_sha256)
            elif run.step % every == 0 or run.over:
                history.add(run.step, run.take_means())
            if run.step % learn.checkpoint_every_steps == 0 or run.over:
                save()
            total = run.step if run.over else learn.steps
            yield Progress(phase="train", step=run.step, total=total, metrics=run.latest() | watch.total.figures())
            if run.over:
                break
    except GeneratorExit:
        save()
        raise
    finally:
        prefetcher.shutdown(wait=True, cancel_futures=True)
        history.close()
    best = run.returned_best
    run.finish(None if best is None else load_best(checkpoints, step=best, config_sha256=config_sha256))
    return TrainResult(steps=run.step, metrics=run.metrics(), history=history.rows, times=watch.total.figures())
