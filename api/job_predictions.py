"""The answers of a prediction job, page by page, read from its files."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.errors import JobFileNotFound, RequestInvalid
from api.job_files import file_of
from api.schemas.job_predictions import FrameRead, WindowRead
from pfa_store.disk import disk_errors
from pfa_store.errors import JobStateConflict, VideoNotFound
from pfa_store.job_record import Job
from pfa_store.removed import need_files
from pfa_store.store import Store

Answer = FrameRead | WindowRead
_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")


def page_of_answers(
    store: Store, job: Job, *, video: str | None, limit: int, cursor: str | None
) -> tuple[list[Answer], str | None]:
    """Some answers in the order of videos and of time, and the cursor of those that follow.

    A cursor is the place of a video among those of the job, and a byte of its file at which a line begins.

    Raises:
        JobFileNotFound: the job is of another kind.
        JobStateConflict: it has not succeeded (yet).
        Removed: they are gone.
        VideoNotFound: it has no answers about that video.
        RequestInvalid: a cursor that was not given here.
    """
    entries = _entries(job, video)
    place, offset = _parsed(cursor)
    found: list[Answer] = []
    while place < len(entries) and len(found) < limit:
        for answer, end in _lines(store, job, entries[place], offset):
            found.append(answer)
            offset = end
            if len(found) == limit:
                return found, f"{place}-{offset}"
        place, offset = place + 1, 0
    return found, None


def _entries(job: Job, video: str | None) -> Sequence[Mapping[str, Any]]:
    if job.kind != "predict":
        raise JobFileNotFound(f"A {job.kind} job predicts nothing; POST /jobs/predict starts one that does.")
    if job.status != "succeeded" or job.result is None:
        raise JobStateConflict(f"The job is {job.status}; its answers are there once it has succeeded.")
    need_files(job)
    entries: Sequence[Mapping[str, Any]] = job.result["videos"]
    if video is not None:
        entries = [entry for entry in entries if entry["video"] == video]
        if not entries:
            raise VideoNotFound(f"The job has no answers about a video {video!r}.")
    return entries


def _parsed(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise RequestInvalid("The cursor is not one of this list; send `next_cursor` of the page before.")
    return int(parts[1]), int(parts[2])


def _lines(store: Store, job: Job, entry: Mapping[str, Any], offset: int) -> Iterator[tuple[Answer, int]]:
    """Answers from a byte of a video's file on, each with the byte after it."""
    assert job.result is not None
    path = file_of(store, job, entry.get("frames") or entry["windows"])
    with disk_errors(), path.open("rb") as file:
        if offset:
            file.seek(offset - 1)
            if file.read(1) != b"\n":
                raise RequestInvalid("The cursor is not one of this list; send `next_cursor` of the page before.")
        while line := file.readline():
            plain = json.loads(line)
            if "frames" in entry:
                yield FrameRead.of(entry, plain, job.result["joints"]), file.tell()
            else:
                yield WindowRead.of(entry, plain), file.tell()
