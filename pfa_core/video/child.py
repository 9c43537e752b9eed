"""The decoding process. It gives up its rights first and only then loads a decoder.

Started by `pfa_core.video.sandbox` for one file, and gone after it. It dies with the thread that started it. Most of
what a short video costs is this process's start, so it imports little.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from pfa_core.errors import PfaError
from pfa_core.video.wire import DONE, FAILED, HELLO, RECORD, Request

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
MAX_OPEN_FILES = 32
"""The video, the pipes, and what the loader holds open for a moment while it maps FFmpeg."""


def main() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us in its own time
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens any more: go
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints cannot garble the records
    send(out, HELLO)
    request = Request.from_bytes(sys.stdin.buffer.read())
    die_with_parent(request.parent_pid)
    limit_self(request)
    try:
        from pfa_core.video import actions  # loads FFmpeg, inside the limits

        gc.freeze()  # what was imported stays
        gc.enable()
        answer = actions.answer(request, out)
    except PfaError as error:
        fail(out, error.code, str(error), error.facts)
    except MemoryError:
        fail(out, "video_too_large", "Decoding the video needs more memory than is allowed. Send a smaller one.")
    except Exception as error:  # the process's edge: the parent gets the reason, then this process is gone
        fail(out, "internal", repr(error))
    else:
        send(out, DONE, json.dumps(answer).encode())
    os._exit(0)  # nothing is left to be put away: the kernel does it faster


def send(out: int, kind: bytes, payload: bytes = b"") -> None:
    """Write one small record."""
    os.write(out, RECORD.pack(kind, len(payload)) + payload)


def fail(out: int, code: str, message: str, facts: dict[str, Any] | None = None) -> None:
    """Say why there is no answer."""
    body = {"code": code, "message": message[:2000], "facts": facts or {}}
    send(out, FAILED, json.dumps(body, default=str).encode())


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent_pid:  # it went before we could ask
        os._exit(1)


def limit_self(request: Request) -> None:
    """No files written, no core dump, little memory, processor time and file descriptors."""
    cpu_s = int(request.cpu_s) + 1
    for what, most in (
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, ceiling = resource.getrlimit(what)
        limit = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(what, (limit, limit))
    with contextlib.suppress(OSError):  # should memory run out, the kernel takes this process and no other
        Path("/proc/self/oom_score_adj").write_text("1000")
