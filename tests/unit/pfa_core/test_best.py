import math

import pytest

from pfa_core.best import Best, Goal

UP, DOWN = Goal(figure="auc", larger_is_better=True), Goal(figure="loss", larger_is_better=False)


@pytest.mark.parametrize(
    ("goal", "figures", "best"),
    [
        (UP, [0.5, 0.7, 0.7, 0.6], 2),
        (UP, [math.nan, 0.1, math.nan], 2),
        (UP, [-math.inf, 0.0], 2),
        (DOWN, [0.5, 0.7, 0.4, 0.4], 3),
        (DOWN, [math.inf, 3.0], 2),
        (DOWN, [math.nan], 1000),
    ],
)
def test_the_first_of_the_best_wins(goal: Goal, figures: list[float], best: int) -> None:
    found = Best(goal, patience=None)
    said = [found.judge(step, {goal.figure: figure}) for step, figure in enumerate(figures, start=1)]
    assert found.step == (best if best < 1000 else None)
    assert not found.given_up
    assert best > len(said) or said[best - 1]


@pytest.mark.parametrize("interrupted", [False, True])
def test_patience_counts_in_a_row_also_across_a_restart(interrupted: bool) -> None:
    found = Best(UP, patience=2)
    given_up = []
    for step, figure in enumerate([0.5, 0.4, 0.6, 0.6, 0.5]):
        found.judge(step, {"auc": figure})
        given_up.append(found.given_up)
        if interrupted:
            state = found.state()
            found = Best(UP, patience=2)
            found.restore(state)
    assert given_up == [False, False, False, False, True]
    assert (found.step, found.figures) == (2, {"auc": 0.6})


def test_what_has_no_such_figure_is_not_counted() -> None:
    found = Best(UP, patience=1)
    assert found.judge(1, {"auc": 0.5})
    assert not found.judge(2, {"loss": 0.1})
    assert not found.given_up
