"""The exponential moving average of a network's weights, which generalises better than the last weights do.

Source: Polyak and Juditsky 1992, in its exponential form.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pfa_core.errors import CheckpointMismatch


class Average:
    """A moving average beside the network: of the weights that are trained and of the running statistics.

    After step t = 1, 2, ...: average = d average + (1 - d) weights with d = min(decay, (1 + t) / (10 + t)), which
    starts at the network's first weights and soon forgets them. Where a tensor does not move, its average equals it
    exactly. Counters (integers) are the network's own.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._decay = decay
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        running = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
        self._theirs: dict[str, Tensor] = {**trained, **running}
        self._ours = {name: tensor.detach().clone() for name, tensor in self._theirs.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self._ours.values()), list(self._theirs.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network has the averages; after it, its own weights again. Nothing is copied."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, tensor in self._theirs.items():
            tensor.data, self._ours[name].data = self._ours[name].data, tensor.data

    @torch.no_grad()
    def settle(self) -> None:
        """Give the network the averages for good."""
        for name, tensor in self._theirs.items():
            tensor.copy_(self._ours[name])

    def tensors(self) -> Mapping[str, Tensor]:
        """The averages by the names that the network gives its own tensors."""
        return self._ours

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from averages that `tensors` gave.

        Raises:
            CheckpointMismatch: they are not of this network.
        """
        if tensors.keys() != self._ours.keys():
            raise CheckpointMismatch("The checkpoint's averaged weights do not fit this network.")
        for name, average in self._ours.items():
            average.copy_(tensors[name])
