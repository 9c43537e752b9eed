"""What a job leaves for its user: the files of the attempt that succeeded."""

from pathlib import Path

from api.errors import JobFileNotFound
from pfa_store.disk import disk_errors
from pfa_store.job_record import Job
from pfa_store.removed import need_files
from pfa_store.store import Store

MEDIA_TYPES = {
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".png": "image/png",
    ".jsonl": "application/x-ndjson",
    ".mp4": "video/mp4",
}
"""By suffix; anything else is application/octet-stream."""


def files_of(store: Store, job: Job) -> dict[str, Path]:
    """File name -> path, by name; none until the job has succeeded.

    The folder bears the fencing token of the newest attempt, which is the one that succeeded: what an attempt left that
    was taken for dead is never shown.
    """
    folder = store.files.job_files(job.id, job.token)
    with disk_errors():
        if job.status != "succeeded" or not store.files.shelf.try_here(folder):
            return {}
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()}


def file_of(store: Store, job: Job, name: str) -> Path:
    """The path of a file that is listed; nothing else can be reached by any name.

    Raises:
        JobFileNotFound, Removed.
    """
    need_files(job)
    found = files_of(store, job).get(name)
    if found is None:
        raise JobFileNotFound(f"The job has no file {name!r}; GET /jobs/{job.id}/files lists those that there are.")
    return found


def media_type_of(path: Path) -> str:
    """What its Content-Type says."""
    return MEDIA_TYPES.get(path.suffix, "application/octet-stream")
