"""A run that was stopped, crashed or damaged and goes on equals, bit by bit, one that never stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pfa_core.engine import TrainResult
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core import toy_run
from tests.unit.pfa_core.one_weight import rows_of
from tests.unit.pfa_core.toy_run import equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums are then added in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def finished(folder: Path, recipe: str) -> tuple[dict[str, Tensor], TrainResult]:
    model = toy_run.new_model()
    result = run_to_end(toy_run.run(model, folder, recipe), lambda _: None)
    return model.state_dict(), result


@pytest.fixture(scope="module", params=toy_run.RECIPES)
def recipe(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def uninterrupted(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], TrainResult]:
    torch.set_num_threads(1)
    return finished(tmp_path_factory.mktemp("uninterrupted"), recipe)


def test_only_the_patient_stops_early(recipe: str, uninterrupted: tuple[dict[str, Tensor], TrainResult]) -> None:
    result = uninterrupted[1]
    assert ("stopped_step" in result.metrics) == (recipe == "patient")
    assert result.steps == result.metrics.get("stopped_step", toy_run.STEPS)


@pytest.mark.parametrize("steps", [1, 5, 7, 13])
def test_closed_and_resumed_equals_uninterrupted(
    tmp_path: Path, steps: int, recipe: str, uninterrupted: tuple[dict[str, Tensor], TrainResult]
) -> None:
    first = toy_run.run(toy_run.new_model(), tmp_path, recipe)
    for _ in range(steps):
        next(first)
    first.close()

    weights, result = finished(tmp_path, recipe)

    assert equal(weights, uninterrupted[0])
    assert result == uninterrupted[1]
    assert rows_of(tmp_path) == result.history


@pytest.mark.parametrize("steps", [3, 12])
def test_crashed_and_resumed_equals_uninterrupted(
    tmp_path: Path, steps: int, recipe: str, uninterrupted: tuple[dict[str, Tensor], TrainResult]
) -> None:
    """Without a farewell: what was done since the last checkpoint is lost."""

    def fails(step: int) -> tuple[Tensor, Tensor]:
        if step == steps:
            raise RuntimeError("lightning")
        return toy_run.batch_of(step)

    with pytest.raises(RuntimeError, match="lightning"):
        run_to_end(toy_run.run(toy_run.new_model(), tmp_path, recipe, batch_of=fails), lambda _: None)

    weights, result = finished(tmp_path, recipe)

    assert equal(weights, uninterrupted[0])
    assert result == uninterrupted[1]
    assert rows_of(tmp_path) == result.history


def test_torn_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, recipe: str, uninterrupted: tuple[dict[str, Tensor], TrainResult]
) -> None:
    first = toy_run.run(toy_run.new_model(), tmp_path, recipe)
    for _ in range(12):
        next(first)
    first.close()
    newest = tmp_path / "checkpoints" / "step-00000012.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])

    resumed = toy_run.run(model := toy_run.new_model(), tmp_path, recipe)
    assert next(resumed).step == 11
    run_to_end(resumed, lambda _: None)
    assert equal(model.state_dict(), uninterrupted[0])


def test_finished_run_answers_again_without_training(
    tmp_path: Path, recipe: str, uninterrupted: tuple[dict[str, Tensor], TrainResult]
) -> None:
    finished(tmp_path, recipe)
    heard: list[Progress] = []
    model = toy_run.new_model()
    result = run_to_end(toy_run.run(model, tmp_path, recipe), heard.append)
    assert heard == []
    assert result == uninterrupted[1]
    assert equal(model.state_dict(), uninterrupted[0])
