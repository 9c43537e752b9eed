"""What was there of a job and was removed after its time: asked for, it says so."""

from datetime import UTC, datetime

from pfa_store.errors import Removed
from pfa_store.job_record import Job


def need_log(job: Job) -> None:
    """Raises: Removed: the job's log is gone with its events."""
    _need("log", job, job.history_gone_s, "PFA_KEEP_HISTORY_DAYS")


def need_curve(job: Job) -> None:
    """Raises: Removed: a job's curve goes with its log, or with the checkpoints that it would be written on from."""
    if job.status == "succeeded":
        _need("curve", job, job.history_gone_s, "PFA_KEEP_HISTORY_DAYS")
    else:
        _need("curve", job, job.checkpoints_gone_s, "PFA_KEEP_CHECKPOINTS_DAYS")


def need_files(job: Job) -> None:
    """Raises: Removed: what the job made for its user is gone."""
    _need("files", job, job.files_gone_s, "PFA_KEEP_FILES_DAYS")


def _need(what: str, job: Job, gone_s: float | None, setting: str) -> None:
    if gone_s is not None:
        day = datetime.fromtimestamp(gone_s, UTC).date().isoformat()
        verb = "were" if what == "files" else "was"
        raise Removed(
            f"The {what} of the job {job.id} {verb} removed on {day}, as {setting} says: it ended long before.",
            removed=day,
        )
