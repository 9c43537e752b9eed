"""A run that is killed at any moment and goes on equals, bit by bit, one that never stopped."""

import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.packs import build_pack
from pfa_core.pretrain import PretrainResult
from pfa_core.progress import run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.integration.clips import write_clip
from tests.integration.pfa_core import killed_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    for seed in range(5):
        clip = write_clip(folder.parent / f"{seed}.mp4", num_frames=16, seed=seed)
        sha = sha256(clip.read_bytes()).hexdigest()
        steps = build_pack(clip, folder / sha, killed_run.config().pack, video_sha256=sha, limits=DecodeLimits())
        run_to_end(steps, lambda _: None)
    return folder


def finished(packs: Path, folder: Path) -> PretrainResult:
    before = torch.get_num_threads()
    try:
        return run_to_end(killed_run.run(packs, folder), lambda _: None)
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def uninterrupted(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PretrainResult, bytes]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return finished(packs, folder), (folder / "metrics.jsonl").read_bytes()


def killed(packs: Path, folder: Path, *, after: int = 0, writing_after: int = 0) -> tuple[int, list[int]]:
    """Start the run in a process; kill it once it has said step `after`, or let it die writing a checkpoint.

    Returns:
        The number of the signal that ended it, and the steps that it said.
    """
    command = [sys.executable, "-m", "tests.integration.pfa_core.killed_run"]
    arguments = [str(packs), str(folder), str(writing_after)]
    said: list[int] = []
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(int(line))
            if after and said[-1] >= after:
                process.kill()  # it runs on meanwhile: this may be anywhere in the steps that follow
                break
    return -process.returncode, said


def assert_equal(result: PretrainResult, folder: Path, uninterrupted: tuple[PretrainResult, bytes]) -> None:
    whole, rows = uninterrupted
    assert (folder / "metrics.jsonl").read_bytes() == rows
    assert (result.metrics, result.history) == (whole.metrics, whole.history)
    ours, theirs = result.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_killed_again_and_again_equals_uninterrupted(
    packs: Path, tmp_path: Path, uninterrupted: tuple[PretrainResult, bytes]
) -> None:
    moments = sorted(np.random.default_rng(7).integers(2, killed_run.STEPS - 6, size=3).tolist())
    for moment in moments:
        assert killed(packs, tmp_path, after=moment)[0] == signal.SIGKILL
    assert_equal(finished(packs, tmp_path), tmp_path, uninterrupted)


def test_killed_while_writing_a_checkpoint_equals_uninterrupted(
    packs: Path, tmp_path: Path, uninterrupted: tuple[PretrainResult, bytes]
) -> None:
    """Killed by the system in the middle of writing the checkpoint of step 12; and that of step 9 is torn, too."""
    ended, said = killed(packs, tmp_path, writing_after=11)
    assert (ended, said[-1]) == (signal.SIGXFSZ, 11)
    checkpoints = tmp_path / "checkpoints"
    torn = checkpoints / "step-00000009.safetensors"
    torn.write_bytes(torn.read_bytes()[:-1000])

    steps = killed_run.run(packs, tmp_path)
    first = next(progress for progress in steps if progress.phase == "train")
    assert first.step == 7
    assert_equal(run_to_end(steps, lambda _: None), tmp_path, uninterrupted)
    assert {path.suffix for path in checkpoints.iterdir()} == {".json", ".safetensors"}  # nothing half-written is left
