"""What a comparison claims: nothing without an interval that leaves 0 out."""

from collections.abc import Iterator, Sequence

from pfa_core.tables.markdown import difference
from pfa_core.tables.summary import MAIN_FIGURES, Row, Summary


def findings(summary: Summary) -> Iterator[str]:
    """What was better or worse than random weights, with its interval; what was not shown; what cannot be said."""
    yield "## What the intervals show\n"
    compared = [row for row in summary.rows if row.fraction == 1 and row.figure in MAIN_FIGURES[row.task]]
    shown = False
    for row in compared:
        if row.difference is not None and row.difference.sign:
            shown = True
            where = f"{row.figure.removeprefix('pcp ').replace('_', ' ')} of {row.data} ({row.task})"
            yield f"- `{row_name(row)}` was **{row.verdict}** than `random` on {where}: {difference(row.difference)}."
    open_rows = [row for row in compared if row.difference is not None and row.difference.sign == 0]
    unknown = [row for row in compared if row.difference is not None and row.difference.sign is None]
    if not shown:
        yield "- No initialisation was shown to differ from `random`."
    if open_rows:
        yield (
            "- No difference was shown: " + "; ".join(f"`{row_name(row)}` on {_where(row)}" for row in open_rows) + "."
        )
    if unknown:
        yield f"- Nothing can be said, for want of seeds that differ: {_listed(unknown)}."
    yield (
        f"\nOf {len(compared)} figures, about one in twenty is expected outside its interval by chance alone. Where no"
        " difference was shown there may still be one that is smaller than the interval.\n"
    )


def _listed(rows: Sequence[Row]) -> str:
    return "; ".join(f"`{row_name(row)}` on {_where(row)}" for row in rows)


def _where(row: Row) -> str:
    return f"{row.data} {row.figure.removeprefix('pcp ').replace('_', ' ')}"


def row_name(row: Row) -> str:
    """The initialisation, and what was trained where that is not all."""
    return row.initialisation if row.layers == "full" else f"{row.initialisation}, {row.layers.replace('_', ' ')}"
