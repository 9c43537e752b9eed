"""`pfa flow`, `pfa finetune` and `pfa evaluate` over real files, and what stops and goes on."""

import json
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from pfa import evaluate_cli, finetune_cli, flow_cli
from pfa.flow_files import flo, npz, png
from pfa_core.models import load_model
from pfa_core.pack_reader import Pack
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
TINY_PACK = ("--set", "short_side_px=64", "--set", "backend=dis")
TINY = [
    part
    for name, value in {
        "net.width": 1 / 32, "net.crop_px": 64, "learn.steps": 3, "learn.batch_size": 2,
        "learn.validate_every_steps": 100,
    }.items()
    for part in ("--set", f"{name}={value}")
]  # fmt: skip


def run(app: Any, *arguments: object, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def told(app: Any, *arguments: object) -> Any:
    """stdout is JSON and nothing else."""
    return json.loads(run(app, *arguments, "--json").stdout)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder a class; each class with two clips, one more to be tested on."""
    for split, seeds in (("train", (1, 2)), ("test", (3,))):
        for label in ("walk", "wave"):
            folder = tmp_path / "clips" / split / label
            folder.mkdir(parents=True)
            for seed in seeds:
                (folder / f"{seed}.mp4").write_bytes(moving_clip(num_frames=6, seed=seed))
    return tmp_path / "clips"


def test_a_code_of_flow_reads_back() -> None:
    """By the formats' own definitions: .flo is tag, width, height and u, v; KITTI's is 64 steps a px around 2^15."""
    flow_px = np.stack(np.meshgrid(np.arange(5) - 2.25, np.arange(3) + 0.5), axis=-1).astype(np.float32)
    data = flo(flow_px)
    assert struct.unpack("<4sii", data[:12]) == (b"PIEH", 5, 3)
    assert np.array_equal(np.frombuffer(data[12:], "<f4").reshape(3, 5, 2), flow_px)
    coded = cv2.imdecode(np.frombuffer(png(flow_px), np.uint8), cv2.IMREAD_UNCHANGED)
    assert coded is not None
    assert coded.dtype == np.uint16
    assert np.array_equal((coded[..., [2, 1]].astype(np.float64) - 2**15) / 64, flow_px)
    assert (coded[..., 0] == 1).all()
    assert npz(flow_px)[:2] == b"PK"


@pytest.mark.parametrize("kind", ["flo", "npz", "png"])
def test_every_pair_becomes_a_file(tmp_path: Path, kind: str) -> None:
    video, torn = tmp_path / "a.mp4", tmp_path / "torn.mp4"
    video.write_bytes(moving_clip(num_frames=4, seed=1))
    torn.write_bytes(video.read_bytes()[:100])
    command = (video, torn, "--as", kind, "--out", tmp_path / "flow", *TINY_PACK)
    made = told(flow_cli.app, *command)
    assert (made["made"], made["unusable"]) == (3, 1)
    files = sorted((tmp_path / "flow" / "a").iterdir())
    assert [path.name for path in files] == [f"{number:06d}.{kind}" for number in range(3)]
    before = {path: path.stat().st_mtime_ns for path in files}
    files[1].unlink()
    told(flow_cli.app, *command)
    after = {path: path.stat().st_mtime_ns for path in files}
    assert {path for path in files if after[path] != before[path]} == {files[1]}, "what is there is not made again"


def test_packs_are_those_that_pretraining_takes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(moving_clip(num_frames=4, seed=1))
    assert told(flow_cli.app, tmp_path, "--dry-run") == {"videos": 1, "frames": 4, "pairs": 3}
    told(flow_cli.app, tmp_path, "--out", tmp_path / "work", *TINY_PACK)
    (folder,) = (tmp_path / "work" / "packs").iterdir()
    assert Pack.open(folder).num_frames == 4


def test_clips_become_an_action_model_and_its_scores(tmp_path: Path, clips: Path) -> None:
    rehearsed = told(finetune_cli.app, clips, "--dry-run", "--device", "cpu", *TINY)
    assert (rehearsed["task"], rehearsed["classes"], rehearsed["steps"]) == ("action", ["walk", "wave"], 3)
    assert rehearsed["splits"] == {"test": 2, "train": 4}
    where = ("--work", tmp_path / "work", "--out", tmp_path / "model")
    made = told(finetune_cli.app, clips, *where, "--device", "cpu", "--seed", 4, *TINY)
    assert made["model"] == str(tmp_path / "model")
    _, manifest = load_model(tmp_path / "model")
    assert (manifest.config.kind, manifest.config.labels, manifest.lineage.seed) == ("action", ("walk", "wave"), 4)
    scored = told(evaluate_cli.app, tmp_path / "model", clips, "--out", tmp_path / "scores", "--device", "cpu")
    assert scored["metrics"]["num_clips"] == 2
    assert json.loads((tmp_path / "scores" / "evaluation.json").read_text())["metrics"] == scored["metrics"]
    assert (tmp_path / "scores" / "confusion.png").is_file()


def test_an_interrupted_finetuning_goes_on_and_ends_as_an_undisturbed_one(tmp_path: Path, clips: Path) -> None:
    """Ctrl-C in the middle, then the same command again; the tests of engines kill without a warning."""
    values = ("--set", "learn.steps=300", "--set", "learn.checkpoint_every_steps=20", *TINY[:4], *TINY[6:])
    common = [str(part) for part in (clips, "--device", "cpu", "--seed", 5, *values)]
    finetune = [sys.executable, "-m", "pfa", "finetune", *common]  # each in a process: threads decide how sums round
    whole = [*finetune, "--work", str(tmp_path / "whole-work"), "--out", str(tmp_path / "whole")]
    subprocess.run(whole, cwd=ROOT, check=True)

    work, metrics = tmp_path / "work", tmp_path / "work" / "metrics.jsonl"
    command = [*finetune, "--work", str(work), "--out", str(tmp_path / "model")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        wait_for(lambda: metrics.exists() and metrics.stat().st_size > 0, what="the first figures", timeout_s=120)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert "goes on from here" in said
    assert not (tmp_path / "model").exists()
    (newest, *_) = sorted((work / "checkpoints").glob("*.json"), reverse=True)
    begun = int(newest.stem.rpartition("-")[2])
    assert 0 < begun < 300

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    ours, theirs = (load_model(tmp_path / name)[0].state_dict() for name in ("whole", "model"))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    rows = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert rows == sorted(set(rows)), "no step is told twice"
    assert rows[-1] == 300


@pytest.fixture
def people(tmp_path: Path) -> tuple[Path, Path]:
    """Images of one person each, with native annotations; one in three is to be tested on."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    joints = {"nose": 20, "left_shoulder": 30, "right_shoulder": 40, "left_hip": 50, "right_hip": 60}
    entries = []
    for number in range(6):
        image = rng.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
        entries.append({
            "image": f"{number}.png", "width": 96, "height": 96, "split": "test" if number % 3 == 0 else "train",
            "joints": {name: [30 + number, y, 2] for name, y in joints.items()}, "torso_box": [20, 20, 30, 45],
        })  # fmt: skip
    annotations = tmp_path / "people.json"
    annotations.write_text(json.dumps({"joint_names": list(joints), "annotations": entries}))
    return folder, annotations


def test_people_become_a_pose_model_that_starts_from_another(tmp_path: Path, people: tuple[Path, Path]) -> None:
    folder, annotations = people
    labelled = (folder, "--annotations", annotations)
    where = ("--work", tmp_path / "work", "--device", "cpu")
    told(finetune_cli.app, *labelled, *where, "--out", tmp_path / "first", *TINY)
    made = told(finetune_cli.app, *labelled, *where, "--out", tmp_path / "next", "--init", tmp_path / "first", *TINY)
    assert made["left_out"] == []
    _, manifest = load_model(tmp_path / "next")
    assert (manifest.config.kind, manifest.lineage.parent) == ("pose", str(tmp_path / "first"))
    scored = told(evaluate_cli.app, tmp_path / "next", *labelled, "--out", tmp_path / "scores", "--device", "cpu")
    assert scored["metrics"]["num_people"] == 2
    assert (tmp_path / "scores" / "pdj.png").is_file()


def test_mistakes_are_told_in_a_line(tmp_path: Path, clips: Path, people: tuple[Path, Path]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = [
        (run(finetune_cli.app, empty, exit_code=1), "no videos or images"),
        (run(finetune_cli.app, clips, "--set", "learn.size=3", exit_code=1), "learn.size"),
        (run(finetune_cli.app, clips, "--device", "tpu", *TINY, exit_code=1), "tpu"),
        (run(finetune_cli.app, empty, "--annotations", people[1], exit_code=1), "are not in"),
        (run(flow_cli.app, empty, exit_code=1), "no videos"),
        (run(evaluate_cli.app, empty, clips, exit_code=1), "manifest"),
    ]
    for result, says in wrong:
        assert says in result.stderr.replace("\n", " ")
        assert "Traceback" not in result.output
    shutil.rmtree(empty)
    assert run(finetune_cli.app, empty, exit_code=2).exit_code == 2
