"""`pfa index` and `pfa retrieve` over real files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from pfa.index_cli import app as index_app
from pfa.retrieve_cli import app as retrieve_app
from pfa_core.config.net import NetConfig
from pfa_core.images import read_image, write_png
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_core.retrieval import GalleryIndex
from tests.integration.clips import moving_clip


def model(folder: Path, *, seed: int) -> Path:
    config = ModelConfig(kind="action", net=NetConfig(width=1 / 32, crop_px=64, norm="batch"), labels=("a", "b"))
    torch.manual_seed(seed)
    save_model(folder, build(config), config=config, lineage=Lineage(seed=seed), metrics={})
    return folder


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of an image each, a clip of eight frames, one that is torn, and a text."""
    folder = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    for name in ("run", "walk"):
        (folder / name).mkdir()
        (folder / name / "1.png").write_bytes(write_png(rng.integers(0, 255, (80, 64, 3), dtype=np.uint8)))
    (folder / "walk" / "clip.mp4").write_bytes(moving_clip(num_frames=8, seed=1))
    (folder / "torn.mp4").write_bytes(moving_clip(num_frames=8, seed=2)[:100])
    (folder / "notes.txt").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "net", seed=0)


def pfa(command: str, *arguments: object) -> Result:
    app = {"index": index_app, "retrieve": retrieve_app}[command]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_from_a_folder_to_the_nearest_poses(tmp_path: Path, media: Path, net: Path) -> None:
    gallery, sheet = tmp_path / "gallery", tmp_path / "sheet.png"
    made = pfa("index", media, "--model", net, "--out", gallery, "--every-frames", 4, "--folder-labels", "--json")
    assert made.exit_code == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["items"] == 4
    assert [(one["file"], one["code"]) for one in told["left_out"]] == [("torn.mp4", "video_unreadable")]
    again = pfa("index", media / "walk", "--model", net, "--out", gallery, "--every-frames", 2, "--folder-labels")
    assert again.exit_code == 0, again.stderr
    assert "6 items" in again.stdout  # frames 2 and 6 are new
    assert not list((gallery / "unfinished").iterdir())

    image = media / "walk" / "1.png"
    found = pfa("retrieve", gallery, image, "--model", net, "-k", 3, "--json", "--sheet", sheet, "--verify")
    assert found.exit_code == 0, found.stderr
    nearest = json.loads(found.stdout)
    assert len(nearest) == 3
    assert (nearest[0]["source"], nearest[0]["label"]) == (str(image), "walk")
    assert nearest[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert read_image(sheet.read_bytes(), max_pixels=10**6).std() > 10
    runs = pfa("retrieve", gallery, image, "--model", net, "--label", "run", "--json")
    assert [one["label"] for one in json.loads(runs.stdout)] == ["run"]
    clip = media / "walk" / "clip.mp4"
    framed = pfa("retrieve", gallery, clip, "--frame", 4, "--model", net)
    assert framed.exit_code == 0, framed.stderr
    first = json.loads(pfa("retrieve", gallery, clip, "--frame", 4, "--model", net, "-k", 1, "--json").stdout)[0]
    assert (first["source"], first["frame"]) == (str(clip), 4)


def test_what_does_not_fit_is_told_in_a_line(tmp_path: Path, media: Path, net: Path) -> None:
    gallery, image = tmp_path / "gallery", media / "run" / "1.png"
    assert pfa("index", image, "--model", net, "--out", gallery).exit_code == 0
    other = model(tmp_path / "other", seed=1)
    for arguments, reason in (
        (("index", image, "--model", other, "--out", gallery), "not of sha256"),
        (("index", media / "notes.txt", "--model", net, "--out", gallery), "no images"),
        (("retrieve", gallery, image, "--model", other), "not of sha256"),
        (("retrieve", gallery, image, "--model", net, "--frame", 1), "for videos"),
        (("retrieve", gallery, media / "walk" / "clip.mp4", "--model", net), "which frame"),
        (("retrieve", gallery, media / "walk" / "clip.mp4", "--model", net, "--frame", 99), "frames"),
        (("retrieve", gallery, image, "--model", net, "--box", "1,2"), "--box"),
        (("retrieve", tmp_path, image, "--model", net), "does not read"),
    ):
        refused = pfa(*arguments)
        assert refused.exit_code == 1, arguments
        assert "error:" in refused.stderr
        assert reason in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
    assert len(GalleryIndex.load(gallery, verify=True)) == 1


def test_pfa_knows_them() -> None:
    for command, option in (("index", "--folder-labels"), ("retrieve", "--sheet")):
        told = subprocess.run(
            [sys.executable, "-m", "pfa", command, "--help"], capture_output=True, text=True, check=True, timeout=300
        )
        assert option in told.stdout
