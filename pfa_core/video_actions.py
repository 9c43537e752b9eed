"""The actions of a video: a window slides over it, in pieces; and what they say together.

Axes: T frames, C classes.
"""

import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.config.video_answers import VideoActionConfig
from pfa_core.errors import InputError, VideoUnreadable
from pfa_core.left_out import opening
from pfa_core.predict import ActionPredictor
from pfa_core.video.decode import read_from
from pfa_core.video.limits import DecodeLimits
from pfa_core.video_source import Pieces, VideoSource

PIECE_WINDOWS = 8
"""Windows of one piece."""
MAX_WINDOW_FRAMES = 600
"""A window of more, which only high frame rates give, ends here: all of it is held in memory."""

Json = dict[str, Any]
Image = NDArray[np.uint8]


def window_frames(video: VideoSource, config: VideoActionConfig) -> tuple[int, int]:
    """Length of a window and step to the next one, in frames, each >= 1."""
    length = min(MAX_WINDOW_FRAMES, max(1, round(config.window_s * video.fps)))
    return length, max(1, round(config.stride_s * video.fps))


def num_windows(video: VideoSource, config: VideoActionConfig) -> int:
    """Windows of a video, as far as its container says: a video shorter than a window is one."""
    length, stride = window_frames(video, config)
    return 1 + max(0, video.num_frames - length) // stride


def acted(
    video: VideoSource, predictor: ActionPredictor, config: VideoActionConfig, *, folder: Path, limits: DecodeLimits
) -> Generator[int, None, Pieces]:
    """Judge every window of a video; what was judged before in `folder` is gone on from.

    Yields how many windows are done, after each piece. A piece has `windows` [{"first", "last", "probabilities"}], by
    frame; the last one has `ends`, and `damage` {code, message} where the video does not decode to its end. Frames
    after the last whole window are not judged, but those of a video that is shorter than one.

    Raises:
        InputError: not one frame of the video decodes.
    """
    pieces = Pieces(folder)
    last = pieces.last()
    looks = predictor.by(config.protocol)
    done = sum(len(piece["windows"]) for piece in pieces)
    length, stride = window_frames(video, config)
    if last is not None and last["ends"]:
        return pieces
    with opening(VideoUnreadable):
        shown = read_from(
            video.path, done * stride, limits=limits, short_side_px=predictor.settings.short_side_px, enters=False
        )
    with closing(shown):
        slides = _Windows((one.pixels for one in shown), first=done * stride, length=length, stride=stride)
        while last is None or not last["ends"]:
            windows = [
                {"first": first, "last": first + len(clip) - 1, "probabilities": _probabilities(looks, clip)}
                for first, clip in slides.take(PIECE_WINDOWS)
            ]
            done += len(windows)
            if not done:
                raise slides.error or VideoUnreadable("No frame of the video decodes.")
            error = slides.error
            last = {
                "windows": windows,
                "ends": slides.ended,
                "damage": None if error is None else {"code": error.code, "message": str(error)},
            }
            pieces.add(last)
            yield done
    return pieces


def _probabilities(predictor: ActionPredictor, clip: Sequence[Image]) -> list[float]:
    return [round(float(p), 6) for p in predictor(np.stack(clip)).probabilities]


class _Windows:
    """Windows over frames that come one by one; no more than one window is in memory."""

    def __init__(self, frames: Iterator[Image], *, first: int, length: int, stride: int) -> None:
        self._frames = frames
        self._held: deque[Image] = deque()
        self._first = first
        self._length = length
        self._stride = stride
        self.ended = False
        self.error: InputError | None = None

    def take(self, count: int) -> Iterator[tuple[int, list[Image]]]:
        """The next `count` windows, or those that are left: number of the first frame, and the frames."""
        for _ in range(count):
            while not self.ended and len(self._held) < self._length:
                self._read()
            whole = len(self._held) == self._length
            if not whole and (self._first > 0 or not self._held):
                return
            yield self._first, list(self._held)
            if not whole:
                return
            self._slide()

    def _slide(self) -> None:
        for _ in range(self._stride):
            if not self._held:
                self._read()
            if self._held:
                self._held.popleft()
        self._first += self._stride

    def _read(self) -> None:
        try:
            frame = None if self.ended else next(self._frames, None)
        except InputError as error:
            self.error, frame = error, None
        if frame is None:
            self.ended = True
        else:
            self._held.append(frame)


def judged(pieces: Pieces, video: VideoSource, labels: Sequence[str], config: VideoActionConfig) -> Iterator[Json]:
    """The windows of a video in order: {"start_s", "end_s", "labels": [[label, probability]]}, the `top` likeliest."""
    for window in _windows(pieces):
        yield {
            "start_s": round(window["first"] / video.fps, 6),
            "end_s": round((window["last"] + 1) / video.fps, 6),
            "labels": _top(window["probabilities"], labels, config.top),
        }


def overall(pieces: Pieces, labels: Sequence[str], *, top: int) -> list[list[Any]]:
    """The `top` likeliest labels of the whole video with their probabilities: the mean of its windows'."""
    return _top(np.mean([window["probabilities"] for window in _windows(pieces)], axis=0).tolist(), labels, top)


def ranges(pieces: Pieces, video: VideoSource, labels: Sequence[str]) -> list[Json]:
    """When what is done: stretches of windows of one likeliest label, {"start_s", "end_s", "label", "probability"}.

    A window speaks for the stride around its middle, the first from the video's beginning and the last to its own end,
    so that the stretches follow each other without a gap. `probability` is the mean of the stretch's windows.
    """
    found: list[Json] = []
    counts: list[int] = []
    before: Json | None = None
    for window in _windows(pieces):
        best = int(np.argmax(window["probabilities"]))
        probability, label = window["probabilities"][best], labels[best]
        if found and found[-1]["label"] == label:
            found[-1]["probability"] += probability
            counts[-1] += 1
        else:
            start_s = 0.0 if before is None else (_middle(before) + _middle(window)) / 2 / video.fps
            if found:
                found[-1]["end_s"] = round(start_s, 6)
            found.append({"start_s": round(start_s, 6), "end_s": 0.0, "label": label, "probability": probability})
            counts.append(1)
        before = window
    if before is not None:
        found[-1]["end_s"] = round((before["last"] + 1) / video.fps, 6)
    for stretch, count in zip(found, counts, strict=True):
        stretch["probability"] = round(stretch["probability"] / count, 6)
    return found


def _middle(window: Json) -> float:
    """In frames."""
    return math.fsum((window["first"], window["last"], 1)) / 2


def _windows(pieces: Pieces) -> Iterator[Json]:
    return (window for piece in pieces for window in piece["windows"])


def _top(probabilities: Sequence[float], labels: Sequence[str], top: int) -> list[list[Any]]:
    order = np.argsort(-np.asarray(probabilities), kind="stable")[:top]
    return [[labels[i], round(float(probabilities[i]), 6)] for i in order]
