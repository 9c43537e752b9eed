"""The parent's side of decoding: start the child, read its records, and end it whatever happens.

The child is not trusted: a length or a shape that cannot be is treated as a crash of the decoder.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import DecodeTimeout, InputError, VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video import wire
from pfa_core.video.containers import Container, sniff_file
from pfa_core.video.limits import DecodeLimits

PIPE_BYTES = 1 << 20
"""Wanted size of the pipe: several small frames, so that decoding runs ahead."""
_START = "import gc, sys; gc.disable(); sys.path += sys.argv[1:]; from pfa_core.video.child import main; main()"
"""The child's program. Its folders come last, so that the standard library is found without looking into them; what is
imported stays, and looking for rubbish in it would be lost time."""

_ERRORS: Mapping[str, type[InputError]] = {e.code: e for e in (VideoUnsupported, VideoUnreadable, VideoTooLarge)}


def open_container(path: Path, limits: DecodeLimits) -> Container:
    """What the file is, from a stat and its first bytes: all that this process ever reads of it.

    Raises:
        VideoUnsupported: not on the allow-list of containers, empty, or not a regular file.
        VideoTooLarge: over `max_bytes`.
        OSError: it cannot be opened.
    """
    if not path.is_file():
        path.stat()  # says when it is missing
        raise VideoUnsupported("A video must be a regular file.")
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_bytes:
        raise VideoTooLarge(
            f"The video has {num_bytes} bytes; at most {limits.max_bytes} are allowed. Send a smaller one.",
            value=num_bytes,
            most=limits.max_bytes,
        )
    return sniff_file(path)


def request_for(
    path: Path,
    *,
    action: str,
    demuxer: str,
    limits: DecodeLimits,
    short_side_px: int | None = None,
    indices: tuple[int, ...] | None = None,
    every_frames: int = 1,
    first_frame: int = 0,
    enters: bool = True,
) -> wire.Request:
    """A request with the caps of `limits`."""
    return wire.Request(
        action=action,
        path=str(path.resolve()),
        demuxer=demuxer,
        parent_pid=os.getpid(),
        max_pixels=limits.max_pixels,
        max_frames=limits.max_frames,
        max_duration_s=limits.max_duration_s,
        cpu_s=limits.timeout_s,
        memory_bytes=limits.memory_bytes,
        short_side_px=short_side_px,
        indices=indices,
        every_frames=every_frames,
        first_frame=first_frame,
        enters=enters,
    )


class TimedFrame(NamedTuple):
    """A frame and when it is shown."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) RGB, upright."""
    time: int | None
    """In the stream's own units: good for telling frames apart. None where the file does not say."""


class Sandbox:
    """One child and its records. Use as a context manager; leaving it kills and reaps the child."""

    def __init__(self, request: wire.Request, *, limits: DecodeLimits) -> None:
        self._limits = limits
        self._waited_s = 0.0
        self._greeted = False
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, *_folders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._pipe = self._child.stdout.fileno()
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError):  # an unprivileged user may be over its quota of pipe memory
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        with contextlib.suppress(BrokenPipeError):  # it is gone already: reading tells how
            self._child.stdin.write(request.to_bytes())
            self._child.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def next_record(self) -> TimedFrame | dict[str, Any]:
        """The next frame, upright, or the final answer.

        Returns:
            A frame, or the child's closing JSON.

        Raises:
            VideoUnsupported, VideoUnreadable, VideoTooLarge: as the child says, or because it crashed.
            DecodeTimeout: it took more than `timeout_s` in all.
        """
        while True:
            kind, length = wire.RECORD.unpack(self._read(wire.RECORD.size))
            if kind == wire.HELLO and length == 0:
                self._greeted = True
            elif kind == wire.FRAME:
                return self._frame(length)
            elif kind in (wire.DONE, wire.FAILED) and length <= wire.MAX_JSON_BYTES:
                body = json.loads(bytes(self._read(length)))
                if kind == wire.DONE:
                    return body
                raise _error_of(body)
            else:
                raise self._crashed()

    def _frame(self, length: int) -> TimedFrame:
        head = wire.FrameHead(*wire.FRAME_HEAD.unpack(self._read(wire.FRAME_HEAD.size)))
        num_bytes = head.height * head.line_bytes
        # Scaling up may pass max_pixels, never by much more than the largest working size allows.
        sane = 0 < 3 * head.width <= head.line_bytes and num_bytes == length - wire.FRAME_HEAD.size
        if not sane or num_bytes > 8 * max(self._limits.max_pixels, 1 << 22):
            raise self._crashed()
        lines = np.frombuffer(self._read(num_bytes), np.uint8).reshape(head.height, head.line_bytes)
        frame = lines[:, : 3 * head.width].reshape(head.height, head.width, 3)
        upright = np.ascontiguousarray(np.rot90(frame, head.quarter_turns))
        return TimedFrame(upright, None if head.time == wire.NO_TIME else head.time)

    def _read(self, num_bytes: int) -> memoryview:
        """Exactly so many bytes, waiting no longer than what is left of `timeout_s`."""
        data = view = np.empty(num_bytes, np.uint8).data  # not filled first, as a bytearray is
        while view:
            try:
                got = os.readv(self._pipe, [view])
            except BlockingIOError:
                self._wait()
                continue
            if got == 0:
                raise self._crashed()
            view = view[got:]
        return data

    def _wait(self) -> None:
        left_s = self._limits.timeout_s - self._waited_s
        started = time.monotonic()
        ready = self._poll.poll(max(0.0, left_s) * 1000)
        self._waited_s += time.monotonic() - started
        if not ready:
            raise _timeout(self._limits)

    def _crashed(self) -> Exception:
        """What to say of a child that ended, or talked nonsense, without a last word."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=1.0)
        status = self._child.poll()
        if not self._greeted:
            return RuntimeError(f"the decoding process did not start (status {status}): is the installation whole?")
        if status == -signal.SIGXCPU:
            return _timeout(self._limits)
        how = signal.Signals(-status).name if status is not None and status < 0 else f"status {status}"
        return VideoUnreadable(
            f"The decoder crashed on this video ({how}). It is damaged or malicious; encode it anew.", status=status
        )


def _timeout(limits: DecodeLimits) -> DecodeTimeout:
    return DecodeTimeout(
        f"Decoding took longer than {limits.timeout_s:g} s. Send a shorter or smaller video.",
        timeout_s=limits.timeout_s,
    )


def _error_of(body: Mapping[str, Any]) -> Exception:
    """The child's error as an exception of this process."""
    kind = _ERRORS.get(body["code"])
    if kind is None:
        return RuntimeError(f"the decoding process failed: {body['message']}")
    return kind(body["message"], **body["facts"])


def _folders() -> list[str]:
    """Where to find this package and PyAV."""
    folders = [str(Path(__file__).resolve().parents[2])]
    found = importlib.util.find_spec("av")
    if found is not None and found.origin is not None:
        folders.append(str(Path(found.origin).resolve().parents[1]))
    return folders


def _environment() -> dict[str, str]:
    """What the loader and FFmpeg may need, and nothing else: no key or address of ours reaches the child."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**kept, "LANG": "C.UTF-8"}
