"""A child process in a group of its own, which is killed as a whole: a Celery worker, or the runner of a job."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self


class ChildProcess:
    """A started `python -m`. Its own children belong to its group, so killing the group leaves nothing behind."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._handle = os.pidfd_open(process.pid)

    @classmethod
    def start(
        cls, module: str, arguments: Sequence[str], *, environment: Mapping[str, str], output: BinaryIO | None = None
    ) -> Self:
        """Run `python -m module arguments`; it writes to `output`, or where we write."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        return cls(process)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended, after waiting for that at most `timeout_s`."""
        ready, _, _ = select.select([self._handle], [], [], timeout_s)
        return bool(ready)

    def ask_to_stop(self) -> None:
        """SIGTERM to the process alone: it ends its own children in good order."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def ask_all_to_stop(self) -> None:
        """SIGTERM to the whole group."""
        self._signal_group(signal.SIGTERM)

    def dump_stacks(self) -> None:
        """SIGUSR1 to those of the group that catch it: they write all their stacks to where they write errors."""
        for pid in group_members(self.pid):
            if _catches(pid, signal.SIGUSR1):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self._signal_group(signal.SIGKILL)

    def end(self) -> int:
        """Kill what is left of the group; returns the exit status, negative for a signal."""
        # It is reaped only afterwards: until then its number, and so the group's, belongs to nobody else.
        self.kill()
        os.close(self._handle)
        return self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def group_members(group: int) -> list[int]:
    """The processes of a group that live just now."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                _, _, after_name = (folder / "stat").read_text().rpartition(")")
                state, _, its_group, *_ = after_name.split()
                if int(its_group) == group and state != "Z":
                    found.append(int(folder.name))
    return found


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; one without would be ended by it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, mask = line.partition(":")
            if name == "SigCgt":
                return bool(int(mask, 16) >> (number - 1) & 1)
    return False
