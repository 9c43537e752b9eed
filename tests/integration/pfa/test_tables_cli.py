"""`pfa tables` over real files: the whole of it, shared by processes of which one dies, and interrupted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pfa.tables_cli import Budget, app, chosen_cells, configured, given_models
from pfa.tables_file import read_data_file
from pfa_core.config import tables as presets
from pfa_core.errors import AnnotationsInvalid, ConfigInvalid
from pfa_core.tables.cell import Cell
from tests.integration.tables_runs import OVERRIDES, write_files
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


def arguments(data: Path, out: Path, **changes: object) -> list[str]:
    settings = OVERRIDES | {"seeds": 1} | changes
    values = [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    return ["--data", str(data), "--out", str(out), "--device", "cpu", *values]


def pfa(given: Sequence[str]) -> Result:
    return CliRunner().invoke(app, given)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files") / "tiny")


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process made."""
    out = tmp_path_factory.mktemp("alone")
    result = pfa(arguments(data, out))
    assert result.exit_code == 0, result.output
    return out


def test_a_data_file_becomes_tables(data: Path, alone: Path) -> None:
    plain = json.loads((alone / "tables.json").read_text())
    assert plain["num_done"] == plain["num_cells"]
    assert (plain["data"]["videos"], plain["data"]["kept_out"]) == (4, 2), "test clips are not pretrained on"
    assert plain["data"]["static"]["frames"] | {"identity": ""} == {"identity": "", "num_train": 4, "num_test": 2}
    text = (alone / "tables.md").read_text()
    assert all(f"Table {number}" in text for number in (1, 2, 3, 4))
    for line in text.splitlines():
        if line.startswith("!["):
            assert (alone / line.partition("(")[2].removesuffix(")")).is_file()


def test_what_is_done_is_not_done_again(data: Path, alone: Path) -> None:
    made = {path: path.stat().st_mtime_ns for path in [*alone.glob("cells/*"), *alone.glob("initialisations/*/*")]}
    result = pfa([*arguments(data, alone), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["folder"], told["num_done"]) == (str(alone), told["num_cells"])
    assert {path.name for path in alone.iterdir() if path.is_file()} == set(told["files"])
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_processes_share_the_runs_and_one_that_dies_is_replaced(data: Path, alone: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pfa.tables_cli", *arguments(data, tmp_path), "--processes", "2"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        wait_for(
            lambda: process.poll() is not None or list(tmp_path.glob("work/*/checkpoints/*.json")),
            what="the first checkpoint", timeout_s=240,
        )  # fmt: skip
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert (tmp_path / "tables.json").read_bytes() == (alone / "tables.json").read_bytes()


def workers_of(parent: int) -> list[int]:
    """The processes that it started to do runs."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if started_by == parent and b"spawn_main" in command:
                found.append(int(folder.name))
    return sorted(found)


def test_ctrl_c_leaves_a_checkpoint_and_the_tables_so_far(data: Path, alone: Path, tmp_path: Path) -> None:
    long = OVERRIDES["pose"] | {"learn": OVERRIDES["pose"]["learn"] | {"steps": 100_000}}
    command = [sys.executable, "-m", "pfa", "tables", *arguments(data, tmp_path, pose=long, initialisations=["random"])]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        wait_for(
            lambda: process.poll() is not None or list(tmp_path.glob("work/*/checkpoints/*.json")),
            what="the first checkpoint", timeout_s=240,
        )  # fmt: skip
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert "goes on from here" in said
    assert list(tmp_path.glob("work/*/checkpoints/*.json"))
    assert "The rest is missing" in (tmp_path / "tables.md").read_text()


def test_only_chooses_runs_and_what_they_start_from() -> None:
    def cell(task: str, name: str) -> Cell:
        return Cell(task=task, initialisation=name, seed=0)  # type: ignore[arg-type]  # any task

    cells = [cell("learn", "motion"), cell("learn", "steady"), cell("pose", "random"), cell("pose", "motion"),
             cell("action", "steady")]  # fmt: skip
    assert chosen_cells(cells, []) == cells
    assert chosen_cells(cells, ["pose"]) == [cells[0], cells[2], cells[3]]
    assert chosen_cells(cells, ["pose", "random"]) == [cells[2]]
    assert chosen_cells(cells, ["steady"]) == [cells[1], cells[4]]


def test_options_become_a_configuration() -> None:
    given = given_models(["motion=a/b", "imagenet=c=d"])
    assert given == {"motion": Path("a/b"), "imagenet": Path("c=d")}
    config = configured(Budget.PAPER, ["pose.learn.steps=7"], seeds=2, given=given)
    assert (config.pose.learn.steps, config.seeds) == (7, 2)
    assert config.initialisations == (*presets.paper().initialisations, "imagenet")
    assert config.motion == presets.paper().motion
    for wrong in ("motion", "=x", "random=x"):
        with pytest.raises(ConfigInvalid, match="--init"):
            given_models([wrong])


@pytest.mark.parametrize(
    ("plain", "what"),
    [
        ({"video": []}, "video"),
        ({"action": {"gym": {"labels": "x.csv"}}}, "labels"),
        ({"static": {"frames": {"from_action": "gym"}}}, "gym"),
        ({"pose": {"people": {"from_action": "gym"}}}, "still images"),
        ({"action": {"a/b": "x.csv"}}, "a/b"),
        ([], "dictionary"),
    ],
)
def test_a_data_file_that_says_something_else_is_refused(tmp_path: Path, plain: object, what: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(AnnotationsInvalid, match=what):
        read_data_file(path)


def test_what_cannot_be_is_told_in_a_line(data: Path, tmp_path: Path) -> None:
    result = pfa([*arguments(data, tmp_path / "out"), "--only", "poses"])
    assert result.exit_code == 1
    assert "poses" in result.output
    missing = tmp_path / "data.json"
    (tmp_path / "labels.csv").write_text("file,label,split\na.mp4,x,train\nb.mp4,y,test\n")
    missing.write_text(json.dumps({"action": {"gym": "labels.csv"}}))
    result = pfa(arguments(missing, tmp_path / "out"))
    assert result.exit_code == 1
    assert "2 of 2 files are not in" in result.output
