"""The poses of a video, frame by frame, in pieces.

Axes: K joints, N people whose crops wait for the network.
"""

import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pfa_core.config.video_answers import MAX_PEOPLE, VideoPoseConfig
from pfa_core.crops import PersonCrop
from pfa_core.errors import InputError, VideoUnreadable
from pfa_core.follower import Follower
from pfa_core.left_out import opening
from pfa_core.one_euro import OneEuro
from pfa_core.people import Box
from pfa_core.person_finder import find_people
from pfa_core.predict import PosePrediction, PosePredictor, Prepared
from pfa_core.video.decode import read_from
from pfa_core.video.limits import DecodeLimits
from pfa_core.video_source import Pieces, VideoSource

PIECE_FRAMES = 32
"""Frames that are looked at in one piece."""
BATCH = 32
"""Most crops of one forward pass."""

Json = dict[str, Any]
Image = NDArray[np.uint8]


def posed(
    video: VideoSource, predictor: PosePredictor, config: VideoPoseConfig, *, folder: Path, limits: DecodeLimits
) -> Generator[int, None, Pieces]:
    """Find the poses of a video; what was found before in `folder` is gone on from.

    Yields how many frames are done, after each piece. A piece has `frames`, see `frames_of`; the last one has `ends`,
    and `damage` {code, message} where the video does not decode to its end.

    Raises:
        InputError: not one frame of the video decodes.
    """
    pieces = Pieces(folder)
    last = pieces.last()
    if last is not None and last["ends"]:
        return pieces
    people = _People(config)
    next_frame = 0
    if last is not None:
        next_frame = last["next_frame"]
        people.follower.restore(last["follower"])
    with opening(VideoUnreadable):
        shown = read_from(video.path, next_frame, limits=limits, short_side_px=None, enters=False)
    with closing(shown):
        wanted = _Wanted((one.pixels for one in shown), first=next_frame, step=config.frame_step)
        while last is None or not last["ends"]:
            frames = _piece(wanted, predictor, people, fps=video.fps)
            if wanted.error is not None and not frames and not pieces.count:
                raise wanted.error
            last = {
                "frames": frames,
                "next_frame": wanted.next_frame,
                "follower": people.follower.to_json(),
                "ends": wanted.ended,
                "damage": None if wanted.error is None else {"code": wanted.error.code, "message": str(wanted.error)},
            }
            pieces.add(last)
            yield wanted.next_frame // config.frame_step
    return pieces


def smoothed(pieces: Pieces, config: VideoPoseConfig) -> Iterator[Json]:
    """All frames of a video in order, their keypoints smoothed as `config` says.

    A frame is {"frame", "time_s", "people": [{"id", "box", "score", "keypoints": [[x px, y px, score, visible]]}]}:
    `box` is null where the whole frame was taken, `score` where nobody was looked for, `visible` where the model does
    not tell.
    """
    filters: dict[int, OneEuro] = {}
    for frame in itertools.chain.from_iterable(piece["frames"] for piece in pieces):
        if config.smoothing != "off":
            gone = filters.keys() - {person["id"] for person in frame["people"]}
            for person_id in gone:
                del filters[person_id]
            for person in frame["people"]:
                new = OneEuro(min_cutoff_hz=config.min_cutoff_hz, beta=config.beta)
                _smooth(person, filters.setdefault(person["id"], new), time_s=frame["time_s"])
        yield frame


def _smooth(person: Json, filtered: OneEuro, *, time_s: float) -> None:
    points = np.array([keypoint[:2] for keypoint in person["keypoints"]], dtype=np.float64)
    for keypoint, (x, y) in zip(
        person["keypoints"], filtered(points, time_s=time_s, side_px=person["side_px"]), strict=True
    ):
        keypoint[:2] = round(float(x), 3), round(float(y), 3)


class _Wanted:
    """The frames of a video that are looked at, with their numbers; ends where the video does, or its damage."""

    def __init__(self, frames: Iterator[Image], *, first: int, step: int) -> None:
        self._frames = frames
        self._step = step
        self.next_frame = first
        self.ended = False
        self.error: InputError | None = None

    def take(self, count: int) -> Iterator[tuple[int, Image]]:
        """The next `count`, or those that are left."""
        for _ in range(count):
            frame = self._take_one()
            if frame is None:
                self.ended = True
                return
            yield self.next_frame, frame
            self.next_frame += self._step
            self._skip()

    def _take_one(self) -> Image | None:
        try:
            return next(self._frames, None)
        except InputError as error:
            self.error = error
            return None

    def _skip(self) -> None:
        for _ in range(self._step - 1):
            if self.error is None:
                self._take_one()


class _People:
    """Whose poses are wanted in a frame."""

    def __init__(self, config: VideoPoseConfig) -> None:
        self._config = config
        self.follower = Follower(max_people=MAX_PEOPLE)

    def of(self, number: int, frame: Image) -> Sequence[tuple[int, Box | None, float | None]]:
        """Id, box and score of each person in frame `number`."""
        config = self._config
        if config.detect == "off":
            boxes: Sequence[Box | None] = config.boxes or (None,)
            return [(person_id, box, None) for person_id, box in enumerate(boxes, start=1)]
        if number // config.frame_step % config.detect_every_frames == 0:
            self.follower.update(find_people(frame))
        return [(one.id, one.box, one.score) for one in self.follower.people]


@dataclass(slots=True)
class _Waiting:
    """A person whose crop waits for the network."""

    person: Json
    prepared: Prepared[PersonCrop]


def _piece(wanted: _Wanted, predictor: PosePredictor, people: _People, *, fps: float) -> list[Json]:
    frames: list[Json] = []
    waiting: list[_Waiting] = []
    for number, frame in wanted.take(PIECE_FRAMES):
        found = []
        for person_id, box, score in people.of(number, frame):
            prepared = predictor.prepare(frame, box=box)
            found.append({
                "id": person_id,
                "box": None if box is None else list(box),
                "score": None if score is None else round(score, 4),
                "side_px": round(prepared.place.side_px, 3),
            })  # fmt: skip
            waiting.append(_Waiting(found[-1], prepared))
        frames.append({"frame": number, "time_s": round(number / fps, 6), "people": found})
    for first in range(0, len(waiting), BATCH):
        _look(predictor, waiting[first : first + BATCH])
    return frames


def _look(predictor: PosePredictor, waiting: Sequence[_Waiting]) -> None:
    """Write the keypoints into the people that wait."""
    rows = predictor.forward(torch.cat([one.prepared.rows_u8 for one in waiting]))
    for place, one in enumerate(waiting):
        one.person["keypoints"] = keypoints_of(predictor.finish(rows[place : place + 1], one.prepared.place))


def keypoints_of(pose: PosePrediction) -> list[list[float | bool | None]]:
    """[x px, y px, score, visible] of each joint."""
    visible = [None] * len(pose.joints) if pose.visible is None else pose.visible.tolist()
    return [
        [round(float(x), 3), round(float(y), 3), round(float(score), 5), seen]
        for (x, y), score, seen in zip(pose.keypoints_px, pose.scores, visible, strict=True)
    ]


def num_looked_at(video: VideoSource, config: VideoPoseConfig) -> int:
    """Frames of a video that are looked at, as far as its container says."""
    return math.ceil(video.num_frames / config.frame_step)
