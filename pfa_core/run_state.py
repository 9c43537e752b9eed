"""The state of a training run, and how one step changes it."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.averages import Average
from pfa_core.best import Best, Goal
from pfa_core.checkpoint import Checkpoint
from pfa_core.config.net import LearnConfig
from pfa_core.devices import autocast
from pfa_core.errors import CheckpointMismatch
from pfa_core.history import Row
from pfa_core.schedules import learning_rate
from pfa_core.seeds import seeded
from pfa_core.stepper import Stepper, diverged

B = TypeVar("B")
Figures = Mapping[str, float | Tensor]
Pictures = Mapping[str, NDArray[np.uint8]]
"""By name, (H, W, 3) RGB."""


class RunState:
    """The state of a run and how a step changes it."""

    def __init__(
        self,
        model: nn.Module,
        learn: LearnConfig,
        *,
        device: torch.device,
        seed: int,
        parameters: Iterable[nn.Parameter] | None,
        rates: Mapping[nn.Parameter, float] | None = None,
        goal: Goal | None = None,
        rank: int = 0,
    ) -> None:
        self.step = 0
        """Optimiser steps done."""
        self.rows: list[Row] = []
        """The history that a checkpoint brought along."""
        self.best = Best(goal, patience=learn.patience)
        self._model, self._learn, self._device, self._seed = model, learn, device, seed
        self._rank = rank
        self._batch: Row = {}
        self._sums: Row = {}
        self._num_summed = 0
        self._means: Row = {}
        self._measured: Row = {}
        chosen = None if parameters is None else set(parameters)
        for parameter in model.parameters():
            parameter.requires_grad_(chosen is None or parameter in chosen)
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._still = [module for module in model.modules() if _stays_still(module)]
        self._stepper = Stepper(trained, learn, device=device, rates=rates)
        self._average = None if learn.ema_decay is None else Average(model, decay=learn.ema_decay)

    def advance(self, batch: B, loss_of: Callable[[nn.Module, B], tuple[Tensor, Figures]]) -> None:
        """Take one step.

        Raises:
            TrainingDiverged: the loss is not finite, see also `Stepper.step`; nothing was stepped.
        """
        rate = learning_rate(self.step, self._learn)
        with seeded(*self._key(), device=self._device):
            loss, figures = self._backward(batch, loss_of)
        self._stepper.step(rate, step=self.step + 1)
        self.step += 1
        if self._average is not None:
            self._average.update(self.step)
        row = {name: _number(figure) for name, figure in figures.items()} | {"loss": loss}
        self._sums = {name: self._sums.get(name, 0.0) + figure for name, figure in row.items()}
        self._num_summed += 1
        self._batch = row | {"learning_rate": rate}

    def _backward(self, batch: B, loss_of: Callable[[nn.Module, B], tuple[Tensor, Figures]]) -> tuple[float, Figures]:
        """Leave the gradients in the parameters; the loss and the figures."""
        self._model.train()
        for module in self._still:
            module.eval()
        with self._autocast():
            loss, figures = loss_of(self._model, batch)
        value = loss.item()
        if not math.isfinite(value):
            raise diverged(f"The loss is {value}", step=self.step + 1, learn=self._learn)
        self._stepper.backward(loss)
        return value, figures

    def _key(self) -> tuple[int, ...]:
        """From which this step draws; (seed, step, 1) is the validation's."""
        return (self._seed, self.step) if self._rank == 0 else (self._seed, self.step, 1 + self._rank)

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self._device, wanted=self._learn.autocast, half=self._learn.half)

    def take_means(self) -> Row:
        """The training figures' means since the last call, and the rate of the last step."""
        self._means = {name: total / self._num_summed for name, total in self._sums.items()}
        self._sums, self._num_summed = {}, 0
        return self._means | {"learning_rate": self._batch["learning_rate"]}

    def measure(self, validate: Callable[[nn.Module], Mapping[str, float]]) -> Row:
        """Validate the weights that the run would return; the figures with the prefix `val_`."""
        with self._tested(1):
            self._measured = {name: _number(figure) for name, figure in validate(self._model).items()}
        return _prefixed(self._measured, "val_")

    def drawn(self, draw: Callable[[nn.Module], Pictures]) -> Pictures:
        """Pictures of the weights that the run would return."""
        with self._tested(2):
            return draw(self._model)

    @contextmanager
    def _tested(self, stream: int) -> Iterator[None]:
        """Inside, the network is in evaluation mode with the weights that the run would return."""
        self._model.eval()
        key = (self._seed, self.step, stream)
        with torch.no_grad(), self._averaged(), seeded(*key, device=self._device), self._autocast():
            yield

    def judge(self) -> bool:
        """Whether the last validation was the best so far."""
        return self.best.judge(self.step, self._measured)

    def weights(self) -> dict[str, Tensor]:
        """The weights as they are validated, without a copy: they hold until the next step."""
        with self._averaged():
            return dict(self._model.state_dict())

    def _averaged(self) -> AbstractContextManager[None]:
        """Inside, the network has its averaged weights, where they are averaged."""
        return nullcontext() if self._average is None else self._average.applied()

    @property
    def over(self) -> bool:
        """Whether no step is left, or none is worth while."""
        return self.step == self._learn.steps or self.best.given_up

    @property
    def returned_best(self) -> int | None:
        """The step of the best weights where the run returns these; None: it returns the last."""
        return self.best.step if self._learn.returns_best else None

    def finish(self, best: Mapping[str, Tensor] | None) -> None:
        """Give the network the weights that the run returns, the last or `best`. No step or checkpoint may follow."""
        if best is not None:
            self._model.load_state_dict(best)
        elif self._average is not None:
            self._average.settle()

    def latest(self) -> Row:
        """Figures of the last batch, and of the last validation with the prefix `val_`."""
        return self._batch | _prefixed(self._measured, "val_")

    def metrics(self) -> Row:
        """Figures of the weights that the run returns, and of the run.

        Those of the validation; the last means of the training figures with the prefix `train_`; `best_step` where
        validations were judged; `stopped_step` where patience ended before the steps did.
        """
        figures = self._measured if self.returned_best is None else self.best.figures
        row = figures | _prefixed(self._means, "train_")
        if self.best.step is not None:
            row["best_step"] = float(self.best.step)
        if self.best.given_up and self.step < self._learn.steps:
            row["stopped_step"] = float(self.step)
        return row

    def checkpoint(self, rows: list[Row]) -> Checkpoint:
        """The state as it is now."""
        tensors = {f"model.{name}": tensor for name, tensor in self._model.state_dict().items()}
        tensors |= {f"momentum.{name}": tensor for name, tensor in self._stepper.tensors().items()}
        if self._average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self._average.tensors().items()}
        state = {
            "rows": rows, "measured": self._measured, "means": self._means,
            "sums": self._sums, "num_summed": self._num_summed, "stepper": self._stepper.state(),
            "best": self.best.state(),
        }  # fmt: skip
        return Checkpoint(step=self.step, tensors=tensors, state=state, best=self.best.step)

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Go on from a checkpoint; None leaves everything as it is."""
        if checkpoint is None:
            return
        try:
            self._model.load_state_dict(_part(checkpoint.tensors, "model."))
        except RuntimeError as error:
            raise CheckpointMismatch("The checkpoint's weights do not fit this network.") from error
        self._stepper.restore(_part(checkpoint.tensors, "momentum."), checkpoint.state["stepper"])
        if self._average is not None:
            self._average.restore(_part(checkpoint.tensors, "average."))
        self.best.restore(checkpoint.state["best"])
        self.step = checkpoint.step
        self.rows = checkpoint.state["rows"]
        self._measured, self._means = checkpoint.state["measured"], checkpoint.state["means"]
        self._sums, self._num_summed = checkpoint.state["sums"], checkpoint.state["num_summed"]


def _number(figure: float | Tensor) -> float:
    return figure.item() if isinstance(figure, Tensor) else float(figure)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _prefixed(row: Row, prefix: str) -> Row:
    return {prefix + name: figure for name, figure in row.items()}


def _stays_still(module: nn.Module) -> bool:
    """Whether a batch norm is not trained, so that its running statistics must not move either."""
    own = list(module.parameters(recurse=False))
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and bool(own) and not any(p.requires_grad for p in own)
