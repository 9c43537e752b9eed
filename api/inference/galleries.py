"""Which galleries are open: of each the present generation, mapped."""

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from api.errors import CollectionNotReady
from pfa_core.errors import IndexDamaged
from pfa_core.gallery_format import MANIFEST
from pfa_core.retrieval import GalleryIndex
from pfa_store.collections import Collection
from pfa_store.store import Store

logger = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""Tells one published manifest from the next, which is another file."""


class Galleries:
    """Keeps up to `limit` galleries open, the most recently used ones. Call from threads.

    Opening one takes milliseconds: it checks small files only. All of it is read and compared with its checksums
    once, beside the requests; where something was changed, they are refused from then on.
    """

    def __init__(self, store: Store, *, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._open: OrderedDict[Path, tuple[Stamp, GalleryIndex]] = OrderedDict()
        self._damaged: dict[Path, tuple[Stamp, IndexDamaged]] = {}
        self._lock = Lock()
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="gallery-checker")

    def close(self) -> None:
        """Let go of what is open; what is being checked is not waited for."""
        self._checker.shutdown(wait=False, cancel_futures=True)

    def of(self, collection: Collection) -> GalleryIndex:
        """What a collection holds now.

        Raises:
            CollectionNotReady: it holds nothing.
            IndexDamaged: it does not read.
        """
        folder = self._store.collections.folder(collection)
        index = None if folder is None else self._present(folder)
        if index is None or len(index) == 0:
            raise CollectionNotReady(
                f"The collection {collection.name!r} is {collection.status}: it holds no items. Fill it with POST"
                " /jobs/index first.",
                status=collection.status,
            )
        return index

    def _present(self, folder: Path) -> GalleryIndex:
        with self._lock:
            try:
                found = (folder / MANIFEST).stat()
            except OSError as error:
                raise IndexDamaged(f"The collection's files are gone: {error}. Fill it again.") from error
            stamp = found.st_ino, found.st_mtime_ns
            damaged_at, damage = self._damaged.get(folder, (None, None))
            if damage is not None and damaged_at == stamp:
                raise damage
            opened_at, index = self._open.get(folder, (None, None))
            if index is None or opened_at != stamp:
                index = GalleryIndex.load(folder)
                self._open[folder] = stamp, index
                self._checker.submit(self._check, folder, stamp, index)
            self._open.move_to_end(folder)
            while len(self._open) > self._limit:
                self._open.popitem(last=False)
            return index

    def _check(self, folder: Path, stamp: Stamp, index: GalleryIndex) -> None:
        try:
            index.verify()
        except IndexDamaged as error:
            logger.error("the gallery in %s is damaged: %s", folder, error)
            with self._lock:
                self._damaged[folder] = stamp, error
                self._open.pop(folder, None)
