"""`pfa pretrain` over real files: a rehearsal, a run to the end, and one that is interrupted."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pfa.pretrain_cli import Preset, app, configured
from pfa.pretraining import describe
from pfa_core.config import pretrain as presets
from pfa_core.errors import ConfigInvalid
from pfa_core.models import load_model
from pfa_core.rehearsal import Rehearsal
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
TINY = {
    "net.width": 1 / 32, "net.crop_px": 64, "pack.short_side_px": 64, "pack.backend": "dis", "gap_frames": 2,
    "val_triplets": 2, "learn.batch_size": 4, "learn.validate_every_steps": 1000,
}  # fmt: skip
SET = [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed in (1, 2):
        (folder / f"{seed}.mp4").write_bytes(moving_clip(num_frames=8, seed=seed))
    (folder / "torn.mp4").write_bytes(moving_clip(num_frames=8, seed=3)[:100])
    (folder / "notes.txt").write_text("no video")
    return folder


def pfa(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_dry_run_needs_no_video_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = pfa("--dry-run", "--steps", 2, "--warm-up", 1, "--device", "cpu", *SET)
    assert result.exit_code == 0, result.output
    told = (
        "device: cpu, 1 process",
        "speed:",
        "stall:",
        "memory",
        "arithmetic:",
        "checkpoint:",
        "packs: ",
        "the whole",
    )
    for begin in told:
        assert f"\n{begin}" in f"\n{result.output}"
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_programs_the_same() -> None:
    result = pfa(
        "--dry-run", "--steps", 1, "--warm-up", 1, "--device", "cpu", "--json", *SET, "--set", "learn.steps=40"
    )
    told = json.loads(result.stdout)
    assert (told["device"], told["measured_steps"]) == ("cpu", 1)
    assert told["whole_s"] == pytest.approx(40 * told["step_s"])
    assert told["flops"] == pytest.approx(told["flop"] / told["step_s"])


def test_a_folder_of_videos_becomes_a_model(tmp_path: Path, clips: Path) -> None:
    where = ["--work", tmp_path / "work", "--out", tmp_path / "model", "--seed", 3, "--device", "cpu"]
    dry = pfa(clips, "--dry-run", "--steps", 1, *where, *SET)
    assert dry.exit_code == 0, dry.output
    packs = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "packs").glob("*/frames.bin")}
    assert len(packs) == 2

    result = pfa(clips, *where, *SET, "--set", "learn.steps=3", "--json")
    assert result.exit_code == 0, result.output
    assert "torn.mp4" in result.stderr
    told = json.loads(result.stdout)
    assert (told["model"], [Path(one["name"]).name for one in told["left_out"]]) == (
        str(tmp_path / "model"),
        ["torn.mp4"],
    )
    assert 0 <= told["metrics"]["accuracy"] <= 1
    assert {path: path.stat().st_mtime_ns for path in packs} == packs, "what the dry run made was taken"
    model, manifest = load_model(tmp_path / "model")
    assert sum(1 for _ in model.parameters()) > 0
    assert manifest.lineage.seed == 3
    assert len(manifest.lineage.items_sha256) == 2
    rows = (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3]


def test_an_interrupted_run_keeps_its_checkpoint(tmp_path: Path, clips: Path) -> None:
    """Ctrl-C reaches every process of the terminal's group."""
    command = [sys.executable, "-m", "pfa", "pretrain", str(clips), "--work", str(tmp_path), *SET]
    command += ["--devices", "2", "--device", "cpu", "--set", "learn.steps=5000"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        metrics = tmp_path / "metrics.jsonl"
        wait_for(lambda: metrics.exists() and metrics.stat().st_size > 0, what="the first figures", timeout_s=120)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert "goes on from here" in said
    assert list((tmp_path / "checkpoints").glob("*.json"))


def test_values_are_set_one_by_one() -> None:
    config = configured(Preset.PAPER, ["learn.batch_size=64", "net.norm=batch", "flip=false"], devices=4)
    assert (config.learn.batch_size, config.net.norm, config.flip, config.devices) == (64, "batch", False, 4)
    assert config.learn.steps == presets.paper().learn.steps
    with pytest.raises(ConfigInvalid, match="name=value"):
        configured(Preset.PAPER, ["learn.batch_size"], devices=None)
    with pytest.raises(ConfigInvalid, match=r"learn\.size"):
        configured(Preset.PAPER, ["learn.size=3"], devices=None)


def test_a_setting_that_cannot_be_is_told_in_a_line() -> None:
    result = pfa("--dry-run", "--set", "learn.batch_size=1")
    assert result.exit_code == 1
    assert "batch_size" in result.output


def test_figures_are_told_by_hand() -> None:
    found = Rehearsal(
        device="X", devices=2, warm_up_steps=2, measured_steps=5, step_s=0.5, positive_s=0.004, batch_s=0.625,
        stall=0.2, memory_bytes=3 << 29, checkpoint_bytes=1 << 30, whole_s=90_000.0, flop=4e12, matmul_flops=8e12,
    )  # fmt: skip
    lines = describe(found, pack_bytes_per_hour=2.0 * (1 << 30), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert lines == [
        "device: X, 2 processes",
        "steps measured: 5, after 2 to warm up",
        "speed: 2 steps/s, 4 ms a positive",
        "stall: 20.0% (a batch is cut in 625 ms)",
        "memory at most, of one process: 1.50 GiB",
        "arithmetic: 8 TFLOP/s, 50% of the 8 that matrix products reach on one device",
        "checkpoint: 1024.0 MiB; two are kept",
        "packs: 2.00 GiB an hour of video at 25 frames/s",
        "the whole schedule: 1 day, 1:00:00, until 2026-01-02 01:00, without validations",
    ]
