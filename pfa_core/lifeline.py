"""A process that must not outlive its parent. Linux: the kernel kills it, whatever the parent died of."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent_pid: int) -> None:
    """Have this process killed when its parent `parent_pid` ends; exits at once if that has happened already.

    Call it from the main thread of a process whose parent started it from its own main thread: the kernel watches
    the thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        raise SystemExit("the parent process is gone")
