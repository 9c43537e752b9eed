"""What the page of a job shows of what it made: videos with their answers, tables, pictures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from api.console.cards import card_html
from api.job_files import files_of
from pfa_store.disk import disk_errors
from pfa_store.job_record import Job
from pfa_store.store import Store

REPORT = "tables.md"
"""What a comparison leaves for people."""
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\s*$", re.MULTILINE)
"""A line of a report that is a picture; the page shows the picture itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What there is to show of a job that succeeded."""

    task: str
    """Of a prediction: `pose` or `action`; else empty."""
    videos: Sequence[Mapping[str, Any]]
    """Of a prediction, as in its result."""
    report: Markup | None
    """Of a comparison: its tables."""
    pictures: Sequence[str]
    """Names of files that are pictures."""


def results_of(store: Store, job: Job) -> Results | None:
    """None: the job has not succeeded, or leaves nothing of this kind."""
    if job.status != "succeeded" or job.result is None:
        return None
    files = files_of(store, job)
    report = None
    if job.kind == "tables" and REPORT in files:
        with disk_errors():
            report = card_html(_PICTURE.sub("", files[REPORT].read_text(encoding="utf-8")))
    predicts = job.kind == "predict"
    found = Results(
        task=job.result["task"] if predicts else "",
        videos=job.result["videos"] if predicts else (),
        report=report,
        pictures=[name for name in files if name.endswith(".png")],
    )
    return found if found.videos or found.report or found.pictures else None
