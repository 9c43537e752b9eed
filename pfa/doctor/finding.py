"""What a check of `pfa doctor` finds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "broken"]
"""`warning`: works, but not as well as it could, or not for long; `broken`: something will not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    verdict: Verdict
    says: str
    remedy: str = ""
    """What to do, where something is to be done."""


def ok(check: str, says: str) -> Finding:
    """It is as it should be."""
    return Finding(check=check, verdict="ok", says=says)


def warning(check: str, says: str, *, remedy: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(check=check, verdict="warning", says=says, remedy=remedy)


def broken(check: str, says: str, *, remedy: str) -> Finding:
    """Something will not work."""
    return Finding(check=check, verdict="broken", says=says, remedy=remedy)


def examined(checks: Iterable[Callable[[], Iterable[Finding]]]) -> Iterator[Finding]:
    """What all checks find. One that is itself at a loss is a finding too, and does not end the others."""
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # whatever ails this machine: the doctor goes on
            name = getattr(check, "__name__", "check").strip("_")
            yield broken(name, f"could not be looked at: {error!r}", remedy="Tell the maintainers, with this line.")
