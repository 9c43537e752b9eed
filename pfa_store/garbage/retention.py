"""How long things are kept, in seconds."""

from dataclasses import dataclass
from typing import Self

from pfa_store.settings import Settings

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Time from the end of a job, or the last use, to removal; None: never."""

    history_s: float | None
    files_s: float | None
    checkpoints_s: float | None
    packs_s: float | None
    pack_bytes: int | None
    audit_s: float | None
    orphans_s: float
    """So old is what nobody names before it goes: whoever makes a thing names it long before that."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            history_s=_seconds(settings.keep_history_days),
            files_s=_seconds(settings.keep_files_days),
            checkpoints_s=_seconds(settings.keep_checkpoints_days),
            packs_s=_seconds(settings.keep_packs_days),
            pack_bytes=settings.pack_bytes or None,
            audit_s=_seconds(settings.keep_audit_days),
            orphans_s=settings.orphan_days * DAY_S,
        )


def _seconds(days: float) -> float | None:
    return days * DAY_S if days else None
