"""Numbers and tables in Markdown."""

from collections.abc import Sequence

from pfa_core.tables.student import Estimate

NONE = "--"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)) + "\n"


def mean(found: Estimate | None) -> str:
    """`57.1 +- 1.3` in percent: the mean and half its interval; the mean alone of a single run."""
    if found is None:
        return NONE
    if found.high is None:
        return f"{100 * found.mean:.1f}"
    return f"{100 * found.mean:.1f} &plusmn; {100 * (found.high - found.mean):.1f}"


def difference(found: Estimate | None) -> str:
    """`+5.2 [+3.9, +6.5]` in percentage points, bold where the interval leaves 0 out; the mean alone of one run."""
    if found is None:
        return NONE
    if found.low is None or found.high is None:
        return f"{100 * found.mean:+.1f}"
    text = f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"**{text}**" if found.sign else text


def paper(rate: float | None) -> str:
    """A figure of the paper, in percent."""
    return NONE if rate is None else f"{rate:.1f}"
