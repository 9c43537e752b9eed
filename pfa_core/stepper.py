"""One optimiser step: backward, clip, step; SGD with momentum, and a scaled loss where gradients are in fp16."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pfa_core.config.net import LearnConfig
from pfa_core.devices import half_type
from pfa_core.errors import TrainingDiverged

MAX_SKIPPED = 25
"""Steps in a row that the scaler may skip. As many halvings take its first scale, 65536, to 1/512: by then it is not
the scale that makes the gradient overflow."""


class Stepper:
    """The optimiser of a run, with its momentum and its loss scale."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        learn: LearnConfig,
        *,
        device: torch.device,
        rates: Mapping[nn.Parameter, float] | None = None,
    ) -> None:
        """`rates`: what the learning rate of some parameters is multiplied by; that of the others by 1."""
        self._parameters, self._learn = dict(parameters), learn
        self._optimizer = _sgd(list(self._parameters.values()), learn, rates or {})
        self._momentum = self._new_momentum() if learn.momentum else {}
        fp16 = learn.autocast and half_type(device, learn.half) == torch.float16
        self._scaler = torch.amp.GradScaler(device.type, enabled=fp16)
        self._skipped = 0
        """Steps that the scaler skipped since the last that it took."""

    def _new_momentum(self) -> dict[str, Tensor]:
        """Zeros, from which the first step goes as torch's own first step does.

        Left to itself, fused SGD keeps unset memory as momentum when the scaler skips the very first step.
        """
        for parameter in self._parameters.values():
            self._optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return {name: self._optimizer.state[p]["momentum_buffer"] for name, p in self._parameters.items()}

    def backward(self, loss: Tensor) -> None:
        """Leave the gradients of the (scaled) loss in the parameters."""
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()

    def step(self, rate: float, *, step: int) -> None:
        """Move the weights along the gradients, clipped to `max_norm`; fp16 gradients that overflow are skipped.

        Args:
            step: its number, 1 for the first; for the message.

        Raises:
            TrainingDiverged: the gradients to be clipped are not finite, or they overflowed MAX_SKIPPED times in a row;
                nothing was stepped.
        """
        self._scaler.unscale_(self._optimizer)
        if self._learn.max_norm is not None:
            norm = nn.utils.clip_grad_norm_(self._parameters.values(), self._learn.max_norm).item()
            if not self._scaler.is_enabled() and not math.isfinite(norm):
                raise diverged(f"The gradient's norm is {norm}", step=step, learn=self._learn)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._skipped = self._skipped + 1 if self._scaler.get_scale() < scale else 0
        if self._skipped >= MAX_SKIPPED:
            raise diverged(
                f"The gradient overflows at any scale of the loss (now {scale:g})", step=step, learn=self._learn
            )

    def tensors(self) -> Mapping[str, Tensor]:
        """The momentum, by the names of the parameters."""
        return self._momentum

    def state(self) -> dict[str, Any]:
        """The loss scale and what decides the next; plain values."""
        return {"scaler": self._scaler.state_dict(), "skipped": self._skipped}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `tensors` and `state` gave."""
        for name, momentum in self._momentum.items():
            momentum.copy_(tensors[name])
        if state["scaler"]:  # empty where the run so far needed none
            self._scaler.load_state_dict(state["scaler"])
        self._skipped = state["skipped"]


def diverged(what: str, *, step: int, learn: LearnConfig) -> TrainingDiverged:
    """The error, with what to do about it."""
    clip = "set learn.max_norm" if learn.max_norm is None else f"learn.max_norm (now {learn.max_norm:g})"
    return TrainingDiverged(
        f"{what} at step {step}. Lower learn.learning_rate (now {learn.learning_rate:g}) or {clip}.", step=step
    )


def _sgd(parameters: list[nn.Parameter], learn: LearnConfig, rates: Mapping[nn.Parameter, float]) -> torch.optim.SGD:
    """SGD with momentum; biases and batch norms are not decayed. Two groups for each factor of the rate."""
    groups: list[dict[str, Any]] = []
    for factor in dict.fromkeys(rates.get(p, 1.0) for p in parameters):
        here = [p for p in parameters if rates.get(p, 1.0) == factor]
        decayed, plain = [p for p in here if p.ndim > 1], [p for p in here if p.ndim <= 1]
        groups.append({"params": decayed, "weight_decay": learn.weight_decay, "factor": factor})
        groups.append({"params": plain, "weight_decay": 0.0, "factor": factor})
    return torch.optim.SGD(groups, lr=learn.learning_rate, momentum=learn.momentum, fused=True)
