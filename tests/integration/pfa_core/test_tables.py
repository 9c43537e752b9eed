"""A whole comparison: what it leaves, that it goes on where it was, and that nobody does anything twice."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pfa_core.errors import ModelUnsuitable
from pfa_core.progress import run_to_end
from pfa_core.tables.bench import Bench
from pfa_core.tables.files import table_files
from pfa_core.tables.sources import TablesData
from tests.integration.tables_runs import tiny_config, tiny_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TablesData:
    return tiny_data(tmp_path_factory.mktemp("data") / "tiny", tiny_config())


@pytest.fixture(scope="module")
def whole(data: TablesData, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A comparison that was never stopped."""
    bench = Bench(config=tiny_config(), data=data, folder=tmp_path_factory.mktemp("whole"), device="cpu")
    run_to_end(bench.run(bench.cells), lambda _: None)
    return bench


def test_every_table_and_picture_is_there(whole: Bench) -> None:
    files = table_files(whole)
    text = files["tables.md"].decode()
    for part in ("Table 1", "Table 2", "Table 3", "Fewer labels", "What the intervals show", "2 left out because"):
        assert part in text
    for name in ("initialisations.png", "few-labels.png", "pdj.png", "filters-motion.png", "pairs-random.png",
                 "poses-dots-motion.png"):  # fmt: skip
        assert files[name].startswith(b"\x89PNG"), name
    plain = json.loads(files["tables.json"])
    assert plain["num_done"] == plain["num_cells"] == len(whole.cells)
    kinds = Counter((row["task"], row["initialisation"], row["layers"], row["fraction"], len(row["values"]))
                    for row in plain["rows"] if row["figure"] in ("accuracy", "pdj@0.2 mean"))  # fmt: skip
    assert kinds == Counter({
        ("pose", "random", "full", 1.0, 2): 1, ("pose", "motion", "full", 1.0, 2): 1,
        ("pose", "random", "full", 0.5, 1): 1, ("pose", "motion", "full", 0.5, 1): 1,
        ("action", "random", "full", 1.0, 2): 1, ("action", "motion", "full", 1.0, 2): 1,
        ("action", "motion", "last2", 1.0, 2): 1,
        ("action", "random", "two_stream", 1.0, 2): 1, ("action", "motion", "two_stream", 1.0, 2): 1,
        ("action", "random", "full", 0.5, 1): 1, ("action", "motion", "full", 0.5, 1): 1,
    })  # fmt: skip
    assert [row["difference"] is None for row in plain["rows"] if row["figure"] == "motion_accuracy"] == [True, False]
    assert not list((whole.folder / "work").iterdir()), "checkpoints of cells that are done are gone"


def test_stopped_between_cells_and_inside_them_it_gives_the_same_bytes(
    whole: Bench, data: TablesData, tmp_path: Path
) -> None:
    """Every run is closed in the middle of a cell's training, the next one by a new object; some cells twice."""
    stops = 0
    while True:
        bench = Bench(config=tiny_config(), data=data, folder=tmp_path, device="cpu")
        steps = bench.run(bench.cells)
        before = sum(map(bench.done, bench.cells))
        for progress in steps:
            if progress.phase.endswith(": train") and progress.step == 2 and stops < 4:
                break
            if before < 12 <= sum(map(bench.done, bench.cells)):
                break
        else:
            break
        steps.close()
        stops += 1
    assert stops == 5
    assert table_files(bench)["tables.json"] == table_files(whole)["tables.json"]


def test_what_is_done_stays_done_when_more_is_asked_for(whole: Bench) -> None:
    more = replace(whole, config=tiny_config(seeds=3))
    missing = [cell for cell in more.cells if not more.done(cell)]
    assert missing
    assert {cell.seed for cell in missing} == {2}
    other = replace(whole, config=replace(whole.config, pose=replace(whole.config.pose, top_cells=3)))
    undone = [cell for cell in other.cells if not other.done(cell)]
    assert {cell.task for cell in undone} == {"pose"}, "only what depends on the change is done again"


def test_a_model_of_another_shape_is_refused_before_anything_runs(whole: Bench, data: TablesData) -> None:
    folder = whole.starts.place("motion", 0)
    assert folder is not None
    net = replace(whole.config.pose.net, width=1 / 16)
    wide = {name: replace(getattr(whole.config, name), net=net)
            for name in ("pose", "action", "static", "motion", "ranking", "steady")}  # fmt: skip
    bench = Bench(config=replace(whole.config, **wide), data=data, folder=whole.folder, given={"motion": folder})
    with pytest.raises(ModelUnsuitable, match="motion"):
        bench.starts.check()
    fitting = replace(whole, given={"motion": folder})
    fitting.starts.check()
    assert all(map(fitting.done, fitting.cells)), "the same weights, given, are the same start"
