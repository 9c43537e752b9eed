"""A run in processes that torchrun started, on whatever machines: they stop together, and none waits for the dead."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from torch import distributed

from pfa_core.errors import RankLost
from pfa_core.progress import Progress
from pfa_core.ranks import Ranks

R = TypeVar("R")

_SIGNS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")
"""How torch tells, in a RuntimeError of no class of its own, that another process does not answer."""


def under_torchrun() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def leads() -> bool:
    """Whether this process is the one that writes: it is alone, or the first of all that torchrun started."""
    return not under_torchrun() or os.environ["RANK"] == "0"


def leads_here() -> bool:
    """Whether it is the first of those on this machine."""
    return not under_torchrun() or os.environ["LOCAL_RANK"] == "0"


def joined(
    recipe: Callable[[Ranks], Generator[Progress, None, R]], *, count: int, device: str
) -> Generator[Progress, None, R]:
    """Take part in a recipe with the other processes, yielding what it yields here.

    Closing the generator has all processes stop after the same step, and the leader write its checkpoint.

    Args:
        recipe: called with this process's place among the others.
        count: how many there must be.
        device: see `devices_for`.

    Raises:
        RankLost: another process died, or was asked to stop.
        ConfigInvalid: torchrun started another number, or there are too few devices here.
    """
    with _told():
        ranks = Ranks.join_torchrun(device, count=count)
    steps = recipe(ranks)
    while True:
        try:
            with _told():
                progress = next(steps)
        except StopIteration as end:
            result: R = end.value
            break
        if ranks.stopping:
            steps.close()
            ranks.leave()
            raise RankLost("Another of the processes that train together was asked to stop; go on from the checkpoint.")
        try:
            yield progress
        except GeneratorExit:
            with _told():
                _stop(ranks, steps, progress)
            raise
    with _told():
        distributed.barrier()  # until the leader, too, needs nobody any more
    ranks.leave()
    return result


def _stop(ranks: Ranks, steps: Generator[Progress, None, R], last: Progress) -> None:
    """Have all of them stop. Before the first step they do not wait for each other, and there is nothing to save."""
    ranks.ask_to_stop()
    while last.phase == "train" and not ranks.stopping:
        try:
            last = next(steps)
        except StopIteration:
            distributed.barrier()
            break
    steps.close()
    ranks.leave()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say in words of ours that another process does not answer."""
    try:
        yield
    except (distributed.DistError, RuntimeError) as error:
        if not isinstance(error, distributed.DistError) and not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        raise RankLost(
            "Another of the processes that train together has ended or cannot be reached. Start all of them again:"
            f" they go on from the last checkpoint. ({str(error).strip().splitlines()[0][:200]})"
        ) from error
