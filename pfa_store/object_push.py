"""Moving in: what a data folder has published is stored in the object store."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from pfa_store.disk import disk_errors
from pfa_store.schema import CollectionRow, JobRow, ModelRow, VideoRow
from pfa_store.store import Store


def push_all(store: Store) -> Iterator[Path]:
    """Publish everything that lies here and is not in the store yet; yields what was. May be repeated.

    Raises:
        StoreUnavailable, DiskFull: not all of it is stored.
    """
    shelf = store.files.shelf
    for path in list(_published_here(store)):
        if path.exists() and not shelf.published(path):
            shelf.publish(path)
            yield path
    with disk_errors():
        for number in (store.files.root / "models").glob("*/*"):
            if number.name.isdigit() and not any(number.iterdir()):  # a version that was deleted
                shelf.mark(number)


def _published_here(store: Store) -> Iterator[Path]:
    """What rows name; and packs, which are named by nothing but their content."""
    files = store.files
    with store.sessions.reading() as session:
        for row in session.scalars(select(VideoRow)):
            yield files.video(row.sha256, row.container)
        for job in session.scalars(select(JobRow).where(JobRow.status == "succeeded")):
            yield files.job_files(job.id, job.token)
        for folder in session.scalars(select(ModelRow.folder)):
            yield files.absolute(folder)
        for filled in session.scalars(select(CollectionRow.folder).where(CollectionRow.folder.is_not(None))):
            if filled is not None:
                yield files.absolute(filled)
    yield from (files.root / "images").glob("*/*")
    yield from (pack.folder for pack in store.packs.list() if pack.finished and not pack.mapped)
