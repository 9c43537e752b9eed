"""An item of a job, and how far all of them are, as they leave the store."""

from dataclasses import dataclass
from typing import Literal

ItemStatus = Literal["queued", "running", "done", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A video of a job, or a part of one, claimed."""

    job_id: str
    video_id: str
    part: int
    """0: the pack as a whole."""
    first_frame: int
    num_frames: int | None
    """None: to the video's end."""
    status: ItemStatus
    pairs: int
    step: int
    crashes: int
    token: int
    worker: str | None
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a job's items are."""

    waiting: int
    """Items that anybody may claim."""
    running: int
    """Items that somebody has; with a lease that ran out, they may be claimed too."""
    ended: int
    pairs: int
    pairs_done: int
    """An item that is over counts in full, whatever became of it."""
