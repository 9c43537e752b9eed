"""One change of a collection's gallery, by one writer at a time.

In a shared folder a gallery is changed where it lies. In an object store things never change, so there the change is
made to a copy with a name of its own (of links: files of galleries are only ever added), which is stored as a whole;
the collection's row then names the copy, and the one before goes.
"""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pfa_core.gallery_edit import GalleryEdit, editing
from pfa_store.disk import disk_errors
from pfa_store.errors import StoreUnavailable
from pfa_store.files import Files


@dataclass(slots=True)
class GalleryChange:
    """What is being changed."""

    edit: GalleryEdit
    before: str | None
    """The folder that the row named, relative to the data folder."""
    folder: str
    """The folder that it is to name."""
    files: Files
    stored: bool = False
    """Whether other hosts could have it."""

    def share(self) -> None:
        """Let other hosts have it once the row names it. Call before the transaction that does."""
        if not self.files.shelf.shared:
            self.edit.publish()
            self.edit.clear()
            self.files.shelf.publish(self.files.absolute(self.folder))
            self.files.shelf.here(self.files.absolute(self.folder))
            self.stored = True

    def need_unchanged(self, folder: str | None) -> None:
        """Ask in that transaction, with what the row names now.

        Raises:
            StoreUnavailable: somebody else was here although we held the lock: the database had lost us.
        """
        if not self.files.shelf.shared and folder != self.before:
            raise StoreUnavailable("The collection was changed meanwhile; try again.")


@contextlib.contextmanager
def changing(
    files: Files, name: str, *, present: Callable[[], str | None], default: str = "", anew: bool = False
) -> Iterator[GalleryChange]:
    """Change a collection's gallery alone.

    Args:
        files: where it lies.
        name: of the collection.
        present: reads which folder its row names; asked once we are alone.
        default: the folder where it begins to lie in a shared folder.
        anew: everything will be replaced.
    """
    if files.shelf.shared:
        before = present()
        folder = before or default
        with disk_errors(), editing(files.absolute(folder), anew=anew) as edit:
            yield GalleryChange(edit, before, folder, files)
        return
    bucket = hashlib.sha256(name.encode()).hexdigest()[:2]
    with files.lock(f"locks/gallery-{bucket}"):
        before = present()
        place = files.collection(name) / uuid.uuid4().hex
        try:
            if before is not None and not anew:
                with files.shelf.using(files.absolute(before)) as there, disk_errors():
                    shutil.copytree(there, place, copy_function=os.link, ignore=shutil.ignore_patterns(".*"))
            with disk_errors(), editing(place, anew=anew) as edit:
                change = GalleryChange(edit, before, files.relative(place), files)
                yield change
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)  # what was stored of it is garbage that no row names
            raise
        if not change.stored:
            shutil.rmtree(place)
        elif before is not None:
            files.shelf.forget(files.absolute(before))
