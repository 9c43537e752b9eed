"""Packs that may go: all can be made again from their videos, at the cost of measuring their flow again."""

from collections.abc import Iterator

from pfa_store.errors import InUse
from pfa_store.files import Files
from pfa_store.garbage.piece import Piece
from pfa_store.garbage.retention import Retention
from pfa_store.packs import Packs, StoredPack


class OldPacks:
    def __init__(self, packs: Packs, files: Files, retention: Retention) -> None:
        self._packs = packs
        self._files = files
        self._retention = retention

    def sweep(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Remove packs, never one whose video an unfinished job names.

        Those whose video is gone; unfinished and mapped ones that are unused for long; and whole ones that are unused
        for long while all together take more than they may, the least recently used first.
        """
        held = self._packs.holders()
        spare: list[StoredPack] = []
        total_bytes = 0
        for pack in self._packs.list():
            why = None if pack.video_sha256 in held else self._why(pack, now_s)
            if why is not None:
                yield self._remove(pack, why, dry_run)
                continue
            total_bytes += pack.num_bytes
            if pack.video_sha256 not in held and pack.finished and not pack.mapped and self._unused(pack, now_s):
                spare.append(pack)
            yield None
        most = self._retention.pack_bytes
        for pack in sorted(spare, key=lambda one: (one.used_s, one.folder)):
            if most is None or total_bytes <= most:
                return
            removed = self._remove(pack, f"packs take more than {most} bytes; it was used longest ago", dry_run)
            total_bytes -= pack.num_bytes if removed is not None else 0
            yield removed

    def _why(self, pack: StoredPack, now_s: float) -> str | None:
        """Why a pack goes whatever there is of others."""
        if pack.file is None:
            return "its video is gone" if now_s - pack.used_s > self._retention.orphans_s else None
        if self._unused(pack, now_s):
            if pack.mapped:
                return "no job maps it; the next one makes it again"
            if not pack.finished:
                return "no job will finish it"
        return None

    def _unused(self, pack: StoredPack, now_s: float) -> bool:
        kept_s = self._retention.packs_s
        return kept_s is not None and now_s - pack.used_s > kept_s

    def _remove(self, pack: StoredPack, why: str, dry_run: bool) -> Piece | None:
        """None: a job has come to use it."""
        if not dry_run:
            try:
                self._packs.remove(pack)
            except InUse:
                return None
        name = self._files.relative(pack.folder)
        return Piece(kind="packs", name=name, why=why, num_bytes=pack.num_bytes)
