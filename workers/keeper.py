"""Clears away what nothing needs any more, a little in each round of the dispatcher."""

import logging
import time

from pfa_store.store import Store

TURN_S = 0.5
"""About the longest that a round takes for it; the dispatcher has leases to look after."""

logger = logging.getLogger(__name__)


class Keeper:
    """One of a worker's rounds. Of all workers of an installation, one at a time has something to do here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.garbage_collection()
        self._num_pieces = 0
        self._num_bytes = 0

    def round(self) -> None:
        """Begin if it is time, or go on for a moment.

        Raises:
            StoreUnavailable: the database does not answer; the next round goes on.
        """
        if not self._store.settings.gc_every_s:
            return
        if not self._collection.under_way:
            if not self._collection.begin():
                return
            self._num_pieces = self._num_bytes = 0
        deadline_s = time.monotonic() + TURN_S
        for piece in self._collection.turn(goes_on=lambda: time.monotonic() < deadline_s):
            logger.info("removed %s (%s): %s, %d bytes", piece.name, piece.kind, piece.why, piece.num_bytes)
            self._num_pieces += 1
            self._num_bytes += piece.num_bytes
        if not self._collection.under_way and self._num_pieces:
            logger.info("cleared away: %d pieces, %d bytes", self._num_pieces, self._num_bytes)
