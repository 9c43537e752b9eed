"""Files that a job goes on without: each is an event of the job, and an entry of its result."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pfa_core.left_out import LeftOut
from pfa_store.datasets import Dataset
from workers.work import Work

_PAGE = 1000
_KIND = "left_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFile:
    """A video or an image that could not be used, and why."""

    video: str | None
    """Id of the video; None for an image."""
    file: str
    """As its user named it."""
    code: str
    message: str


def leave_out(work: Work, *, video: str | None, file: str, code: str, message: str) -> LeftOutFile:
    """Note that the job goes on without this file."""
    entry = LeftOutFile(video=video, file=file, code=code, message=message)
    work.store.jobs.note(work.job, _KIND, asdict(entry))
    return entry


def leave_out_items(work: Work, dataset: Dataset, left_out: Sequence[LeftOut]) -> list[LeftOutFile]:
    """Note that the job goes on without these items of a data set."""
    if not left_out:
        return []
    store = work.store
    ids = {item.video_id for item in store.datasets.items(dataset.id) if item.video_id is not None}
    video_at = {store.videos.path(store.videos.get(video_id)): video_id for video_id in ids}
    return [
        leave_out(
            work,
            video=None if one.path is None else video_at.get(one.path),
            file=one.name,
            code=one.code,
            message=one.message,
        )
        for one in left_out
    ]


def noted(work: Work) -> list[dict[str, Any]]:
    """What the job goes on without, for its result: left out at its upload or by any attempt so far, each once."""
    found: dict[LeftOutFile, None] = {}
    last = 0
    while events := work.store.jobs.events(work.job.id, after=last, limit=_PAGE):
        found |= {LeftOutFile(**event.data): None for event in events if event.kind == _KIND}
        last = events[-1].id
    return [asdict(entry) for entry in found]
