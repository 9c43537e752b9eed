"""Real processes, real signals."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from pfa.children import Child, Children
from tests.processes import alive
from tests.waiting import wait_for

SLEEPER = "import time; time.sleep(600)"


def _child(code: str, **more: float) -> Child:
    return Child(name="child", command=(sys.executable, "-c", textwrap.dedent(code)), env=os.environ, **more)  # type: ignore[arg-type]  # only grace_s


def test_stop_ends_a_child_that_obeys() -> None:
    children = Children(announce=lambda message: None)
    child = _child(SLEEPER)
    children.start(child)
    pid = child.pid
    assert pid is not None
    assert alive(pid)
    children.stop()
    assert not alive(pid)


def test_stop_kills_a_child_that_ignores_sigterm_and_its_grandchild(tmp_path: Path) -> None:
    ready = tmp_path / "grandchild"
    child = _child(
        f"""
        import pathlib, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "{SLEEPER}"])
        part = pathlib.Path({str(tmp_path / "part")!r})
        part.write_text(str(grandchild.pid))
        part.rename({str(ready)!r})
        time.sleep(600)
        """,
        grace_s=0.2,
    )
    children = Children(announce=lambda message: None)
    children.start(child)
    wait_for(ready.exists, what="the grandchild to start")
    grandchild = int(ready.read_text())
    assert alive(grandchild)
    children.stop()
    wait_for(lambda: not alive(grandchild), what="the grandchild to be gone")


def test_a_child_that_dies_is_started_again() -> None:
    said: list[str] = []
    children = Children(announce=said.append)
    child = _child(SLEEPER)
    children.start(child)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        children.keep_alive()
        return child.pid not in (None, first)

    wait_for(restarted, what="a new process")
    assert said == ["child ended with -9; it starts again"]
    children.stop()


def test_a_child_that_dies_at_once_is_started_less_and_less_often() -> None:
    child = _child("raise SystemExit(3)")
    child.start()
    starts_s: list[float] = []
    now_s = time.monotonic()
    for _ in range(4000):  # a simulated clock in steps of 10 ms; the process itself is real
        wait_for(lambda: child.pid is None or child.exit_code() is not None, what="the process to end")
        before = child.restarts
        child.keep_alive(now_s, lambda message: None)
        if child.restarts > before:
            starts_s.append(now_s)
        if len(starts_s) == 4:
            break
        now_s += 0.01
    waits_s = [round(later - earlier, 1) for earlier, later in itertools.pairwise(starts_s)]
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] >= 3 * waits_s[0]
    child.stop()


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "pid"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import os, pathlib, time
                from pfa.children import Child
                child = Child(name="child", command=({sys.executable!r}, "-c", {SLEEPER!r}), env=os.environ)
                child.start()
                pathlib.Path({str(tmp_path / "part")!r}).write_text(str(child.pid))
                pathlib.Path({str(tmp_path / "part")!r}).rename({str(ready)!r})
                time.sleep(600)
                """
            ),
        ]
    )
    wait_for(ready.exists, what="the child to start")
    pid = int(ready.read_text())
    assert alive(pid)
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(pid), what="the child to die with its parent")
