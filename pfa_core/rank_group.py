"""Starting the processes that train together, listening to them, and ending them all.

They are children in the caller's own process group, so whoever kills that group kills them too, and the kernel kills
them when the caller dies.
"""

import contextlib
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from pfa_core.errors import PfaError, RankLost
from pfa_core.progress import Progress
from pfa_core.rank_process import DONE, STOPPED, Recipe
from pfa_core.ranks import devices_for

STOP_GRACE_S = 120.0
"""How long a group that was asked to stop may take over its checkpoint before it is killed."""


def run_ranks(recipe: Recipe, *, count: int, device: str) -> Generator[Progress, None, None]:
    """Run a recipe in `count` processes, each on a device of its own, yielding what rank 0 yields.

    Closing the generator has all of them stop after the same step, rank 0 writing its checkpoint. If one fails or
    dies, all are ended.

    Args:
        recipe: pickles, with its arguments; called in each process with its `Ranks`. It has done its work when all
            have returned.
        device: see `devices_for`; the cores of the CPU are divided among them.

    Raises:
        RankLost: one of them died, crashed, or was stopped by somebody else.
        ConfigInvalid: see `devices_for`.
        PfaError: whatever the recipe raises.
    """
    devices = devices_for(device, count)
    with tempfile.TemporaryDirectory(prefix="pfa-ranks-") as folder:
        group = _Group(recipe, devices, meeting=Path(folder) / "meeting")
        try:
            yield from group.listen()
        except GeneratorExit:
            group.stop()
            raise
        finally:
            group.end()


class _Rank:
    """One of the processes, and the pipe through which it speaks."""

    def __init__(self, number: int, count: int, *, device: torch.device, meeting: Path) -> None:
        self.number = number
        self.pipe, theirs = os.pipe()
        self._rest = b""
        arguments = [os.getpid(), theirs, number, count, device, meeting]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pfa_core.rank_process", *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=2,  # what a library prints goes where errors go
                env=_environment(count),
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)

    def give(self, task: bytes) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:  # if it is gone, its pipe tells
            stdin.write(task)

    def read(self) -> list[dict[str, Any]] | None:
        """What it has said since, in order; None once it has ended. Waits until there is something."""
        data = os.read(self.pipe, 1 << 16)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


class _Group:
    """All of them."""

    def __init__(self, recipe: Recipe, devices: list[torch.device], *, meeting: Path) -> None:
        task = pickle.dumps(recipe)
        self._ranks: list[_Rank] = []
        self._last = Progress(phase="load", step=0, total=0)
        try:
            for number, device in enumerate(devices):
                self._ranks.append(_Rank(number, len(devices), device=device, meeting=meeting))
            for rank in self._ranks:
                rank.give(task)
        except BaseException:
            self.end()
            raise
        self._open = {rank.pipe: rank for rank in self._ranks}

    def listen(self) -> Generator[Progress, None, None]:
        """Yield rank 0's progress until all have ended well."""
        while self._open:
            ended = False
            for message in self._hear(None):
                if message is None:
                    ended = True
                elif "error" in message:
                    raise _error_of(message["error"])
                else:
                    self._last = Progress(**message["progress"])
                    yield self._last
            if ended:
                yield from self._judge()

    def _judge(self) -> Generator[Progress, None, None]:
        """Some have ended: raise if any of them should not have."""
        ends = {rank.number: rank.process.wait() for rank in self._ranks if rank.pipe not in self._open}
        if STOPPED in ends.values():
            self.stop()  # rank 0 may still be at its checkpoint
            yield self._last  # the caller was probably told to stop as well, and may now do so
            raise RankLost("The processes that train together were stopped from outside; go on from the checkpoint.")
        bad = {number: status for number, status in ends.items() if status != DONE}
        if bad:
            # When one dies the others fail as well, for want of an answer; a signal tells who was first.
            number = min(bad, key=lambda each: (bad[each] > 0, each))
            raise RankLost(
                f"Process {number} of the {len(self._ranks)} that train together ended {_ending(bad[number])}."
                " All were ended; go on from the last checkpoint. The log tells more.",
                rank=number,
            )

    def _hear(self, timeout_s: float | None) -> Iterator[dict[str, Any] | None]:
        """What those who have something to say say, errors first; None for each that has ended."""
        ready, _, _ = select.select(list(self._open), [], [], timeout_s)
        heard: list[dict[str, Any] | None] = []
        for pipe in ready:
            said = self._open[pipe].read()
            if said is None:
                del self._open[pipe]
            heard += [None] if said is None else said
        return iter(sorted(heard, key=lambda message: message is None or "error" not in message))

    def stop(self) -> None:
        """Ask all to stop and wait until rank 0 has saved and ended, as long as that may take."""
        for rank in self._ranks:
            rank.process.send_signal(signal.SIGTERM)  # does nothing once it was waited for
        deadline_s = time.monotonic() + STOP_GRACE_S
        while self._ranks[0].pipe in self._open and (left_s := deadline_s - time.monotonic()) > 0:
            self._hear(left_s)

    def end(self) -> None:
        """Kill what is left."""
        for rank in self._ranks:
            rank.process.kill()
            rank.process.wait()
            os.close(rank.pipe)


def _error_of(body: Mapping[str, Any]) -> PfaError:
    """The error that a rank raised."""
    kinds = [PfaError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    leaf = next(kind for kind in kinds if kind.code == body["code"])
    error = leaf.__new__(leaf)  # a leaf may make its message from arguments of its own
    PfaError.__init__(error, body["message"], **body["facts"])
    return error


def _ending(status: int) -> str:
    if status == -signal.SIGKILL:
        return "by SIGKILL; perhaps memory ran out"
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def _environment(count: int) -> dict[str, str]:
    """Ours, with the cores divided, and CPU ranks meeting on this machine's own interface."""
    threads = max(1, torch.get_num_threads() // count)
    return {"GLOO_SOCKET_IFNAME": "lo", **os.environ, "OMP_NUM_THREADS": str(threads)}
