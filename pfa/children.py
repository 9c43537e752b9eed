"""Child processes that never outlive us: each leads a session of its own, is restarted when it dies, and is stopped
for good, group and all, when we go. Should we be killed ourselves, the kernel ends them (on Linux).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 15.0
_STEADY_S = 30.0
"""A child that ran this long before it died is restarted at once."""


def _die_with_parent() -> None:  # runs in the forked child, before exec
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True, kw_only=True)
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path | None = None
    """Where its output goes; None: to ours."""
    grace_s: float = 15.0
    """From SIGTERM to SIGKILL when stopping."""
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started_s: float = 0.0
    _not_before_s: float = 0.0
    _backoff_s: float = _FIRST_BACKOFF_S

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process in a session of its own."""
        with contextlib.ExitStack() as stack:
            output = None if self.log is None else stack.enter_context(self.log.open("ab"))
            self._process = subprocess.Popen(
                list(self.command),
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # we have one thread when we fork
            )
        self._started_s = time.monotonic()

    def exit_code(self) -> int | None:
        """None while it runs; its exit status (negative: the signal) once it has ended."""
        return None if self._process is None else self._process.poll()

    def keep_alive(self, now_s: float, announce: Callable[[str], None]) -> None:
        """Restart the process if it has ended, later each time that it ends soon after its start."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._kill_group(signal.SIGKILL)  # what it may have left behind
            lived_s = now_s - self._started_s
            self._backoff_s = _FIRST_BACKOFF_S if lived_s > _STEADY_S else min(_MAX_BACKOFF_S, 2 * self._backoff_s)
            self._not_before_s = now_s + (0.0 if lived_s > _STEADY_S else self._backoff_s)
            self._process = None
            announce(f"{self.name} ended with {code}; it starts again")
        if now_s >= self._not_before_s:
            self.restarts += 1
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself, which ends its own children in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop the process and all that is left of its group; returns once nothing runs."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._kill_group(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _kill_group(self, signum: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, signum)
        except ProcessLookupError:
            return


@dataclass(slots=True)
class Children:
    """Several children, started in order and stopped in reverse."""

    announce: Callable[[str], None]
    members: list[Child] = field(default_factory=list)

    def start(self, child: Child) -> None:
        """Start a child and keep it."""
        self.members.append(child)
        child.start()

    def keep_alive(self) -> None:
        """Restart whichever has ended."""
        for child in self.members:
            child.keep_alive(time.monotonic(), self.announce)

    def stop(self) -> None:
        """Stop all, the last started first. The first round of SIGTERM goes to all but the first child (the broker),
        so that they wind down side by side while it still answers.
        """
        for child in reversed(self.members[1:]):
            child.ask_to_stop()
        for child in reversed(self.members):
            child.stop()
        self.members.clear()
