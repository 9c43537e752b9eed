import dataclasses
import json
from pathlib import Path

import pytest
import torch

from pfa_core.checkpoint import Checkpoint, digest_of, load_best, load_checkpoint, save_best, save_checkpoint
from pfa_core.config import pretrain
from pfa_core.errors import CheckpointDamaged, CheckpointMismatch


def checkpoint(step: int, *, best: int | None = None) -> Checkpoint:
    tensors = {"half": torch.full((2, 3), step, dtype=torch.bfloat16), "count": torch.tensor(step)}
    return Checkpoint(step=step, tensors=tensors, state={"rows": [{"step": step}]}, best=best)


def write(folder: Path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(folder, checkpoint(step), config_sha256="run")


def read_step(folder: Path) -> int:
    found = load_checkpoint(folder, config_sha256="run")
    assert found is not None
    assert torch.equal(found.tensors["count"], torch.tensor(found.step))
    return found.step


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, 7)
    found = load_checkpoint(tmp_path, config_sha256="run")
    assert found is not None
    assert found.step == 7
    assert found.state == {"rows": [{"step": 7}]}
    assert found.tensors.keys() == {"half", "count"}
    assert found.tensors["half"].dtype == torch.bfloat16
    assert torch.equal(found.tensors["half"], torch.full((2, 3), 7, dtype=torch.bfloat16))


def test_channels_last_filters_keep_their_values(tmp_path: Path) -> None:
    filters = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    save_checkpoint(tmp_path, Checkpoint(step=1, tensors={"filters": filters}, state={}), config_sha256="run")
    found = load_checkpoint(tmp_path, config_sha256="run")
    assert found is not None
    assert torch.equal(found.tensors["filters"], filters)


def test_none_where_nothing_was_written(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "new", config_sha256="run") is None


def test_the_last_two_are_kept_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, 9, 10, 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000010.json", "step-00000010.safetensors", "step-00000100.json", "step-00000100.safetensors",
    ]  # fmt: skip
    assert read_step(tmp_path) == 100


def test_what_a_crash_left_half_written_is_ignored_and_then_removed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "step-00000002.safetensors").write_bytes(b"no JSON: it was never finished")
    (tmp_path / ".step-00000003.safetensors.1.tmp").write_bytes(b"nor this")
    (tmp_path / ".tmp22j1f5").write_bytes(b"nor what safetensors had begun")
    assert read_step(tmp_path) == 1
    write(tmp_path, 4)
    assert {path.stem for path in tmp_path.iterdir()} == {"step-00000001", "step-00000004"}


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "remove"])
def test_a_damaged_one_is_passed_over(tmp_path: Path, suffix: str, damage: str) -> None:
    write(tmp_path, 1, 2)
    spoil(tmp_path / f"step-00000002{suffix}", damage)
    assert read_step(tmp_path) == 1


def spoil(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
        return
    flipped = content[:2] + bytes([content[2] ^ 0xFF]) + content[3:]
    path.write_bytes({"cut": content[: len(content) // 2], "flip": flipped, "empty": b""}[damage])


def write_best(folder: Path, step: int) -> None:
    save_best(folder, {"count": torch.tensor(step)}, step=step, figures={"auc": 0.5}, config_sha256="run")


def names(folder: Path) -> set[str]:
    return {path.stem.replace("-0000000", "-") for path in folder.iterdir()}


def test_the_best_weights_stay_as_long_as_a_checkpoint_names_them(tmp_path: Path) -> None:
    write_best(tmp_path, 1)
    save_checkpoint(tmp_path, checkpoint(2, best=1), config_sha256="run")
    write_best(tmp_path, 3)
    assert names(tmp_path) == {"best-1", "step-2", "best-3"}
    write_best(tmp_path, 4)  # no checkpoint names 3
    assert names(tmp_path) == {"best-1", "step-2", "best-4"}
    save_checkpoint(tmp_path, checkpoint(5, best=4), config_sha256="run")
    assert names(tmp_path) == {"best-1", "step-2", "best-4", "step-5"}
    save_checkpoint(tmp_path, checkpoint(6, best=4), config_sha256="run")
    assert names(tmp_path) == {"best-4", "step-5", "step-6"}
    found = load_checkpoint(tmp_path, config_sha256="run")
    assert found is not None
    assert found.best == 4
    assert load_best(tmp_path, step=4, config_sha256="run") == {"count": torch.tensor(4)}
    assert json.loads((tmp_path / "best-00000004.json").read_text())["figures"] == {"auc": 0.5}


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "remove"])
def test_a_checkpoint_whose_best_weights_are_damaged_is_damaged(tmp_path: Path, suffix: str, damage: str) -> None:
    write_best(tmp_path, 1)
    save_checkpoint(tmp_path, checkpoint(2, best=1), config_sha256="run")
    write_best(tmp_path, 3)
    save_checkpoint(tmp_path, checkpoint(4, best=3), config_sha256="run")
    spoil(tmp_path / f"best-00000003{suffix}", damage)
    assert read_step(tmp_path) == 2
    with pytest.raises(CheckpointDamaged):
        load_best(tmp_path, step=3, config_sha256="run")


def test_when_none_reads_back_it_says_so(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    for path in tmp_path.glob("*.safetensors"):
        spoil(path, "cut")
    with pytest.raises(CheckpointDamaged, match=r"step-00000002\.safetensors"):
        load_checkpoint(tmp_path, config_sha256="run")


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"step": 1}'])
def test_json_that_is_not_a_record_is_damage(tmp_path: Path, content: str) -> None:
    write(tmp_path, 1)
    (tmp_path / "step-00000001.json").write_text(content)
    with pytest.raises(CheckpointDamaged):
        load_checkpoint(tmp_path, config_sha256="run")


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(CheckpointMismatch):
        load_checkpoint(tmp_path, config_sha256="another run")


def test_digest_tells_configurations_apart() -> None:
    small = pretrain.small()
    assert digest_of(small, "a") == digest_of(pretrain.small(), "a")
    assert digest_of(small, "a") != digest_of(small, "b")
    assert digest_of(small) != digest_of(dataclasses.replace(small, gap_frames=13))
    json.dumps(digest_of(small))
