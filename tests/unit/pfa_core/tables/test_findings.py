"""Claims and numbers of the report, from rows made by hand."""

from collections.abc import Mapping

from pfa_core.tables.findings import findings
from pfa_core.tables.markdown import difference, mean, table
from pfa_core.tables.student import estimate, paired
from pfa_core.tables.summary import Row, Summary

BASE = {0: 0.50, 1: 0.54, 2: 0.46, 3: 0.50}


def row(name: str, values: Mapping[int, float], *, figure: str = "accuracy", fraction: float = 1.0) -> Row:
    return Row(
        task="action", data="gym", initialisation=name, layers="full", fraction=fraction, figure=figure, values=values,
        over_seeds=estimate(list(values.values())), difference=None if name == "random" else paired(values, BASE),
        diverged=(),
    )  # fmt: skip


def told(*rows: Row) -> str:
    return "\n".join(findings(Summary(rows=rows, curves=(), num_done=1, num_cells=1, sizes={})))


def shifted(*by: float) -> dict[int, float]:
    return {seed: value + change for (seed, value), change in zip(BASE.items(), by, strict=False)}


def test_better_and_worse_are_claimed_with_their_intervals() -> None:
    better, worse = shifted(0.10, 0.12, 0.11, 0.11), shifted(-0.1, -0.2, -0.1, -0.2)
    text = told(row("random", BASE), row("motion", better), row("steady", worse))
    assert "`motion` was **better** than `random` on accuracy of gym (action): **+11.0 [+9.7, +12.3]**." in text
    assert "`steady` was **worse**" in text
    assert "No difference was shown" not in text


def test_what_the_seeds_do_not_show_is_not_claimed() -> None:
    text = told(row("random", BASE), row("motion", shifted(0.1, -0.1, 0.2, 0.0)))
    assert "No initialisation was shown to differ" in text
    assert "No difference was shown: `motion` on gym accuracy." in text


def test_one_seed_and_equal_seeds_say_nothing() -> None:
    text = told(row("motion", {0: 0.9}), row("steady", shifted(0.25, 0.25, 0.25, 0.25)))
    assert "Nothing can be said, for want of seeds that differ: `motion` on gym accuracy; `steady` on gym" in text


def test_fewer_labels_and_other_figures_make_no_claims() -> None:
    better = shifted(0.10, 0.12, 0.11, 0.11)
    assert "better" not in told(
        row("motion", better, fraction=0.1), row("motion", better, figure="mean_class_accuracy")
    )


def test_a_difference_to_random_that_only_pairs_show_is_found() -> None:
    """Seeds differ more than initialisations do; run by run they do not."""
    found = row("motion", shifted(0.01, 0.012, 0.011, 0.011))
    assert found.verdict == "better"
    own, base = found.over_seeds, estimate(list(BASE.values()))
    assert own.low is not None
    assert base.high is not None
    assert own.low < base.high, "the two intervals overlap"


def test_numbers_are_written_in_percent() -> None:
    """t(1) at 0.975 is 12.706; half an interval of two runs 2 points apart is 12.706 x sqrt(2) / sqrt(2) points."""
    assert mean(estimate([0.50, 0.52])) == "51.0 &plusmn; 12.7"
    assert mean(estimate([0.5])) == "50.0"
    assert mean(None) == difference(None) == "--"
    assert difference(estimate([0.01])) == "+1.0"
    assert difference(estimate([0.50, 0.52])) == "**+51.0 [+38.3, +63.7]**"
    assert difference(estimate([-0.01, 0.01])) == "+0.0 [-12.7, +12.7]"
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
