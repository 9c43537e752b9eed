"""One of several processes that train together: `python -m pfa_core.rank_process`, started by `pfa_core.rank_group`.

It reads from its standard input what to do (pickled by its parent), and writes to a pipe of its own JSON lines:
`{"progress": {...}}` from rank 0, `{"error": {...}}` from whichever fails.
"""

import contextlib
import faulthandler
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import torch

from pfa_core.errors import PfaError
from pfa_core.lifeline import die_with
from pfa_core.out_of_memory import out_of_memory
from pfa_core.progress import Progress
from pfa_core.ranks import Ranks

Recipe = Callable[[Ranks], Generator[Progress, None, object]]

DONE, FAILED, STOPPED = 0, 1, 3
"""Exit statuses. STOPPED: it was asked to, and did so together with the others."""


def main(arguments: Sequence[str]) -> int:
    """Take part; returns the exit status."""
    parent, pipe, rank, count, device, meeting = arguments
    die_with(int(parent))
    faulthandler.register(signal.SIGUSR1)  # who watches the job may want to know where it hangs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which passes it on
    tell = os.fdopen(int(pipe), "w", buffering=1)  # closed by the end of the process: that is how the parent learns it
    recipe: Recipe = pickle.load(sys.stdin.buffer)  # noqa: S301  # it comes from the parent alone
    ranks = Ranks.join(int(rank), int(count), meeting=Path(meeting), device=torch.device(device))
    signal.signal(signal.SIGTERM, ranks.ask_to_stop)
    try:
        status = _take_part(recipe, ranks, tell)
    except PfaError as error:
        return _failed(error, tell)
    except (MemoryError, RuntimeError) as error:
        no_memory = out_of_memory(error)
        if no_memory is None:
            raise
        return _failed(no_memory, tell)
    ranks.leave()
    return status


def _failed(error: PfaError, tell: TextIO) -> int:
    body = {"code": error.code, "message": str(error), "facts": error.facts}
    tell.write(json.dumps({"error": body}, default=str) + "\n")
    return FAILED


def _take_part(recipe: Recipe, ranks: Ranks, tell: TextIO) -> int:
    with contextlib.closing(recipe(ranks)) as steps:
        for progress in steps:
            if ranks.leads:
                tell.write(json.dumps({"progress": asdict(progress)}) + "\n")
            # Before the first step they do not wait for each other, and there is nothing to save.
            if ranks.stopping or (ranks.asked_to_stop and progress.phase != "train"):
                return STOPPED
    return DONE


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # a library's threads must not hold up the end of a group
