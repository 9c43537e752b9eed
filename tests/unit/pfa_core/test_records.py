import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]  # it has no stubs
from torch import nn

from pfa_core.checkpoint import load_best
from pfa_core.engine import Goal, TrainResult
from pfa_core.errors import ConfigInvalid
from pfa_core.images import read_image
from pfa_core.progress import Progress, run_to_end
from pfa_core.records import NUM_DRAWN
from tests.unit.pfa_core.one_weight import one_weight, plain, rows_of, start, through


def test_events_and_rows_can_be_read_while_it_runs(tmp_path: Path) -> None:
    steps = start(one_weight(), tmp_path, plain(steps=9), lambda net, _: (net.weight.sum(), {"accuracy": 0.5}))
    next(steps)
    row = {"step": 1, "loss": pytest.approx(1.0), "accuracy": 0.5, "learning_rate": 0.1}
    assert rows_of(tmp_path) == [row]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0)]
    steps.close()


def test_times_are_reported_apart_from_the_rows(tmp_path: Path) -> None:
    heard: list[Progress] = []
    steps = start(one_weight(), tmp_path, plain(steps=4), lambda net, _: (net.weight.sum(), {}))
    result = run_to_end(steps, heard.append)
    times = [json.loads(line) for line in (tmp_path / "times.jsonl").read_text().splitlines()]
    assert [row["step"] for row in times] == [1, 2, 3, 4]
    assert all(row.keys() == {"step", "stall", "step_ms"} for row in times)
    assert all(0 <= figures["stall"] <= 1 for figures in (*times, result.times, *(p.metrics for p in heard)))
    assert result.times["step_ms"] > 0
    assert not any("stall" in row for row in result.history)
    assert "stall" not in result.metrics
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("time/stall")] == [1, 2, 3, 4]


def judged(folder: Path, figures: list[float], **changes: Any) -> tuple[nn.Module, TrainResult, list[Progress]]:
    """A run of six steps, each validated, whose weight falls by 1 a step from 10 and whose figures are these."""
    model, heard = one_weight(10.0), list[Progress]()
    learn = plain(steps=6, momentum=0.0, validate_every_steps=1, **changes)
    left = iter(figures)
    steps = start(
        model, folder, learn, lambda net, _: (10 * net.weight.sum(), {}), validate=lambda _: {"auc": next(left)},
        goal=Goal(figure="auc", larger_is_better=True),
    )  # fmt: skip
    return model, run_to_end(steps, heard.append), heard


def test_the_last_weights_are_returned_and_the_best_are_kept(tmp_path: Path) -> None:
    model, result, _ = judged(tmp_path, [0.5, 0.7, math.nan, 0.7, 0.6, 0.5])
    assert model.get_parameter("weight").item() == pytest.approx(4.0)
    assert (result.metrics["auc"], result.metrics["best_step"]) == (0.5, 2)
    assert "stopped_step" not in result.metrics
    best = load_best(tmp_path / "checkpoints", step=2, config_sha256="x")
    assert best["weight"].item() == pytest.approx(8.0)


def test_the_best_weights_are_returned_where_asked_with_their_figures(tmp_path: Path) -> None:
    model, result, _ = judged(tmp_path, [0.5, 0.7, 0.6, 0.7, 0.6, 0.5], returns="best")
    assert model.get_parameter("weight").item() == pytest.approx(8.0)
    assert (result.metrics["auc"], result.metrics["best_step"], result.steps) == (0.7, 2, 6)


def test_stops_when_patience_is_over_and_returns_the_best(tmp_path: Path) -> None:
    """The best is the third; the fourth ties, the fifth is worse."""
    model, result, heard = judged(tmp_path, [0.7, 0.6, 0.8, 0.8, 0.1, 0.9], patience=2)
    assert model.get_parameter("weight").item() == pytest.approx(7.0)
    assert (result.metrics["auc"], result.metrics["best_step"], result.metrics["stopped_step"]) == (0.8, 3, 5)
    assert [(p.step, p.total) for p in heard] == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 5)]


def test_patience_that_lasts_to_the_end_stops_nothing(tmp_path: Path) -> None:
    model, result, heard = judged(tmp_path, [0.7, 0.6, 0.8, 0.8, 0.1, 0.9], patience=3, returns="last")
    assert model.get_parameter("weight").item() == pytest.approx(4.0)
    assert (result.metrics["auc"], result.metrics["best_step"]) == (0.9, 6)
    assert "stopped_step" not in result.metrics
    assert (heard[-1].step, heard[-1].total) == (6, 6)


def test_without_validation_all_the_steps_are_taken(tmp_path: Path) -> None:
    steps = start(
        one_weight(), tmp_path, plain(patience=1), through, goal=Goal(figure="auc", larger_is_better=True)
    )  # fmt: skip
    result = run_to_end(steps, lambda _: None)
    assert result.steps == 3
    assert not {"best_step", "stopped_step"} & result.metrics.keys()


@pytest.mark.parametrize("changes", [{"patience": 2}, {"returns": "best"}])
def test_the_best_by_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match="no validation figure"):
        next(start(one_weight(), tmp_path, plain(**changes), through))


def test_pictures_are_drawn_of_what_is_validated(tmp_path: Path) -> None:
    """Fifty validations: every third is drawn, and the last. The picture's shade is the averaged weight."""
    seen: list[float] = []

    def picture(net: nn.Module) -> dict[str, NDArray[np.uint8]]:
        assert not net.training
        seen.append(net.get_parameter("weight").item())
        return {"shade": np.full((20, 16, 3), len(seen), dtype=np.uint8)}

    learn = plain(steps=100, validate_every_steps=2, momentum=0.0, ema_decay=0.6)
    steps = start(
        one_weight(), tmp_path, learn, through, draw=picture,
        validate=lambda net: {"weight": net.get_parameter("weight").item()},
    )  # fmt: skip
    result = run_to_end(steps, lambda _: None)
    drawn = [*range(6, 100, 6), 100]
    assert seen == [row["val_weight"] for row in result.history if row["step"] in drawn]
    assert (read_image((tmp_path / "figures" / "shade.png").read_bytes(), max_pixels=999) == len(drawn)).all()
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("shade")] == drawn


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (3, 1000), (20, 1), (21, 1), (399, 7)])
def test_pictures_are_few_and_one_is_of_the_end(tmp_path: Path, steps: int, every: int) -> None:
    drawn: list[int] = []

    def picture(net: nn.Module) -> dict[str, NDArray[np.uint8]]:
        drawn.append(1)
        return {}

    learn = plain(steps=steps, validate_every_steps=every)
    run_to_end(start(one_weight(), tmp_path, learn, through, draw=picture, validate=lambda _: {}), lambda _: None)
    assert 1 <= len(drawn) <= NUM_DRAWN + 1
