"""`pfa predict` on files: what it writes is what the library says, in every format, and what is of no use is told."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.config.net import NetConfig
from pfa_core.images import write_png
from pfa_core.manifest import Lineage, ModelConfig, ModelKind
from pfa_core.models import build, save_model
from pfa_core.predict import ActionPredictor, PosePredictor
from pfa_core.skeleton import FLIC
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from tests.integration.clips import write_clip

LABELS = ("run", "walk")
IMAGE = np.random.default_rng(0).integers(0, 255, (90, 70, 3), dtype=np.uint8)


def model(folder: Path, kind: ModelKind) -> Path:
    config = ModelConfig(
        kind=kind,
        net=NetConfig(width=1 / 32, crop_px=64, norm="batch"),
        joints=FLIC if kind == "pose" else None,
        labels=LABELS if kind == "action" else (),
        settings={"short_side_px": 64, "test_frames": 2} if kind == "action" else {},
    )
    torch.manual_seed(0)
    save_model(folder, build(config), config=config, lineage=Lineage(seed=0), metrics={})
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.png").write_bytes(write_png(IMAGE))
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("left alone")
    write_clip(folder / "clip.mp4", num_frames=40)
    return folder


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pfa", "predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_poses_of_a_folder_in_every_format(tmp_path: Path, files: Path) -> None:
    folder, out = model(tmp_path / "model", "pose"), tmp_path / "out"
    formats = [part for name in ("json", "csv", "coco", "png", "mp4") for part in ("--format", name)]
    done = run(folder, files, "--out", out, *formats, "--set", "frame_step=4", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sorted(found["files"]) == sorted(path.name for path in out.iterdir())
    assert [left["code"] for left in found["left_out"]] == ["image_unreadable"]
    predictor = PosePredictor.load(folder)
    (image,) = found["images"]
    assert np.allclose([k[:2] for k in image["people"][0]["keypoints"]], predictor(IMAGE).keypoints_px, atol=1e-2)
    (video,) = found["videos"]
    frames = [json.loads(line) for line in (out / video["frames"]).read_text().splitlines()]
    assert [frame["frame"] for frame in frames] == list(range(0, 40, 4))
    third = list(read_frames(files / "clip.mp4", limits=DecodeLimits()))[8]
    assert np.allclose([k[:2] for k in frames[2]["people"][0]["keypoints"]], predictor(third).keypoints_px, atol=2e-2)
    assert probe(out / video["overlay"], limits=DecodeLimits()).num_frames == 10
    assert len(list(csv.reader((out / "poses.csv").read_text().splitlines()))) == 1 + 10 * len(FLIC)
    assert len(json.loads((out / "images.coco.json").read_text())["annotations"]) == 1


def test_actions_of_a_folder(tmp_path: Path, files: Path) -> None:
    folder, out = model(tmp_path / "model", "action"), tmp_path / "out"
    done = run(folder, files, "--out", out, "--set", "window_s=0.8", "--set", "protocol=crops250")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        "images.json", "images.csv", "actions.csv", "actions.json", "windows-0001.jsonl",
    }  # fmt: skip
    (image,) = json.loads((out / "images.json").read_text())
    expected = ActionPredictor.load(folder)(IMAGE).ranked
    assert [label for label, _ in image["labels"]] == [label for label, _ in expected]
    assert np.allclose([p for _, p in image["labels"]], [p for _, p in expected], atol=1e-5)


def test_what_cannot_be_is_told_in_a_line(tmp_path: Path, files: Path) -> None:
    poser, actor = model(tmp_path / "pose", "pose"), model(tmp_path / "action", "action")
    for arguments, says in (
        ((actor, files, "--format", "png"), "for poses"),
        ((poser, files, "--set", "nonsense=1"), "no such key"),
        ((poser, files / "bad.png"), "None of the files"),
        ((model(tmp_path / "triplet", "triplet"), files), "pose or an action model"),
    ):
        done = run(*arguments, "--out", tmp_path / "out")
        assert done.returncode == 1
        assert says in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
