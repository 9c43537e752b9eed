"""The processes that train one network together, one per device, and what they tell each other.

Each holds the whole network and a part of every batch; gradients, losses and batch statistics are averaged over all of
them, so that together they take the step that one process would take on the whole batch.
"""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pfa_core.devices import device_of
from pfa_core.errors import ConfigInvalid
from pfa_core.nets.norm import share_norms

Figures = Mapping[str, float | Tensor]

TIMEOUT = timedelta(minutes=30)
"""A rank that is alive but silent for so long is given up. It is longer than any validation: the others wait there."""


class Ranks:
    """This process's place among those that train together; by default it is alone.

    Rank 0 leads: it alone validates, writes and reports.
    """

    def __init__(self, rank: int = 0, count: int = 1, *, device: torch.device | None = None) -> None:
        self.rank = rank
        self.count = count
        self._device = device
        self._asked = False
        self._told: Tensor | None = None

    @classmethod
    def join(cls, rank: int, count: int, *, meeting: Path, device: torch.device) -> "Ranks":
        """Meet the others, who name the same file, which does not exist before."""
        _bind(device)
        distributed.init_process_group(
            _backend(device), init_method=meeting.as_uri(), rank=rank, world_size=count, timeout=TIMEOUT
        )
        return cls(rank, count, device=device)

    @classmethod
    def join_torchrun(cls, name: str, *, count: int) -> "Ranks":
        """Meet the others that torchrun started, on whatever machines.

        Args:
            name: of the kind of device; see `devices_for`.
            count: how many there must be.

        Raises:
            ConfigInvalid: torchrun started another number, or there are too few devices here.
        """
        started = int(os.environ["WORLD_SIZE"])
        if started != count:
            raise ConfigInvalid(f"torchrun started {started} processes; devices asks for {count}.")
        device = devices_for(name, int(os.environ["LOCAL_WORLD_SIZE"]))[int(os.environ["LOCAL_RANK"])]
        _bind(device)
        distributed.init_process_group(_backend(device), timeout=TIMEOUT)
        return cls(distributed.get_rank(), count, device=device)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def place(self, name: str) -> torch.device:
        """This rank's own device; alone, the one of that name."""
        return device_of(name) if self._device is None else self._device

    def share(self, num_bytes: int, device: torch.device) -> int:
        """Its share of the memory that is free on `device`: all of a GPU's, a part of the machine's."""
        return num_bytes // self.count if device.type == "cpu" else num_bytes

    @property
    def asked_to_stop(self) -> bool:
        """Whether this process was; the others may not know yet."""
        return self._asked

    @property
    def stopping(self) -> bool:
        """Whether any of them was asked to stop before its last step: all of them answer alike."""
        return self._told is not None and self._told.item() > 0

    def ask_to_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Have all of them stop after the same step. A signal handler."""
        self._asked = True

    def parallel(self, model: nn.Module) -> nn.Module:
        """What to call instead of `model`, which lies on its device: its gradients become the means of all ranks'."""
        if self.count == 1:
            return model
        share_norms(model)
        return DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def mean(self, loss: Tensor, figures: Figures) -> tuple[Tensor, Figures]:
        """The loss and the figures of the whole batch, of which every rank has an equal part.

        The loss's gradient stays that of the part: `parallel` averages gradients.
        """
        if self.count == 1:
            return loss, figures
        parts = [loss.detach(), *figures.values(), float(self._asked)]
        told = torch.stack([torch.as_tensor(part, dtype=torch.float64, device=loss.device) for part in parts])
        distributed.all_reduce(told)
        told /= self.count
        self._told = told[-1]
        whole = loss + (told[0] - loss.detach()).to(loss.dtype)
        return whole, dict(zip(figures, told[1:-1], strict=True))

    def agree(self, what: str) -> bool:
        """Whether all of them say the same; all must ask."""
        if self.count == 1:
            return True
        said: list[str] = [""] * self.count
        distributed.all_gather_object(said, what)
        return len(set(said)) == 1

    def from_leader(self, measure: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
        """What `measure` returns on rank 0, on every rank; the others wait for it."""
        if self.count == 1:
            return measure()
        found = [measure() if self.leads else None]
        distributed.broadcast_object_list(found)
        assert found[0] is not None
        return found[0]

    def leave(self) -> None:
        """Part from the others in good order."""
        if self.count > 1:
            distributed.destroy_process_group()


ALONE = Ranks()
"""One process, as ever."""


def devices_for(name: str, count: int) -> list[torch.device]:
    """One device per rank: GPUs from the first on, or the CPU for all.

    Raises:
        ConfigInvalid: fewer GPUs or processor cores than ranks, or there is no such device.
    """
    device = device_of(name)
    if count == 1:
        return [device]
    if device.index is not None:
        raise ConfigInvalid(f"devices is {count}, but the run is bound to {name!r}; name it cuda or auto.")
    cuda = device.type == "cuda"
    check_enough(count, have=torch.cuda.device_count() if cuda else os.cpu_count() or 1, cuda=cuda)
    return [torch.device("cuda", rank) if cuda else device for rank in range(count)]


def check_enough(count: int, *, have: int, cuda: bool) -> None:
    """Raises ConfigInvalid where there are fewer GPUs, or processor cores, than ranks."""
    if count > have:
        raise ConfigInvalid(
            f"devices is {count}, but this machine has {have} {'usable GPUs' if cuda else 'processor cores'}."
            f" Set devices to at most {have}, or run it on another machine."
        )


def _bind(device: torch.device) -> None:
    """Make it the device that torch means when none is named."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def _backend(device: torch.device) -> str:
    return "nccl" if device.type == "cuda" else "gloo"
