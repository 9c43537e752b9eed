"""Pose finetuning: it memorises, mirrors, holds out, resumes exactly, and refuses what it cannot use."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pfa_core.config.augment import AugmentConfig
from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.errors import CheckpointMismatch, DatasetUnsuitable, ModelUnsuitable
from pfa_core.evaluate import evaluate_pose
from pfa_core.finetune_pose import PoseResult, finetune_pose, pose_model_config, predict_samples
from pfa_core.images import read_image
from pfa_core.manifest import Lineage
from pfa_core.model_settings import PoseSettings
from pfa_core.models import save_model
from pfa_core.nets.action import ActionNet
from pfa_core.nets.pose import PoseNet
from pfa_core.people import Person
from pfa_core.pose_samples import cut_people, with_joints
from pfa_core.predict import PosePredictor
from pfa_core.progress import Progress, run_to_end
from pfa_core.seeds import seeded
from pfa_core.skeleton import JointSet
from pfa_core.splits import train_and_val
from tests.unit.pfa_core.pictures import JOINTS, cut_short, damaged_jpeg, dotted_people

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch")


ALL_SORTS = AugmentConfig(scale=0.1, rotation_deg=10, translation=0.05, colours=0.1)


def config(steps: int, **settings: Any) -> PoseConfig:  # PoseConfig's own
    base = PoseConfig(
        net=NET,
        learn=LearnConfig(
            batch_size=8, steps=steps, learning_rate=0.2, schedule="one_cycle", max_norm=5.0,
            validate_every_steps=1000, checkpoint_every_steps=1000,
        ),
        top_cells=9,
    )  # fmt: skip
    return replace(base, **settings)


def fresh_model(*, seed: int) -> PoseNet:
    """As a run of this seed begins."""
    with seeded(seed):
        return PoseNet(NET, len(JOINTS))


def ignore(_: Progress) -> None:
    pass


def start(folder: Path, *, steps: int, people: int = 8, **settings: Any) -> Generator[Progress, None, PoseResult]:
    images = folder / "images"
    images.mkdir(exist_ok=True)
    return finetune_pose(
        dotted_people(images, people), joints=JOINTS, config=config(steps, **settings), folder=folder / "run", seed=1,
        device="cpu",
    )  # fmt: skip


def test_memorises_eight_people_and_serves_them(tmp_path: Path) -> None:
    result = run_to_end(start(tmp_path, steps=250), ignore)
    people = dotted_people(tmp_path / "images", 8)
    scores = run_to_end(evaluate_pose(result.model, result.config, people), ignore).metrics
    assert scores["pck"]["0.2"]["mean"] >= 0.95  # about 9 px; a cell is 8 px wide
    save_model(tmp_path / "model", result.model, config=result.config, lineage=Lineage(), metrics=result.metrics)
    predictor = PosePredictor.load(tmp_path / "model")
    found = predictor(read_image(people[0].image.read_bytes(), max_pixels=10**6), box=(0, 0, 96, 96))
    true_px, _ = people[0].keypoints(JOINTS)
    stride_px = 96 / 12
    assert np.linalg.norm(found.keypoints_px - true_px, axis=1).max() <= stride_px
    assert found.scores.min() > 0.5


def test_a_stopped_run_ends_as_one_that_never_stopped(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "halves").mkdir()
    whole = run_to_end(start(tmp_path / "whole", steps=6), ignore)
    first = start(tmp_path / "halves", steps=6)
    while (progress := next(first)).phase != "train" or progress.step < 3:
        pass
    first.close()
    resumed = run_to_end(start(tmp_path / "halves", steps=6), ignore)
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_memorises_eight_people_through_flips_and_changes(tmp_path: Path) -> None:
    """It sees none of them twice alike, and finds their joints in the crops as they are."""
    result = run_to_end(start(tmp_path, steps=350, flip=True, augment=ALL_SORTS, sub_cell=True), ignore)
    scores = run_to_end(evaluate_pose(result.model, result.config, dotted_people(tmp_path / "images", 8)), ignore)
    assert scores.metrics["pck"]["0.2"]["mean"] >= 0.9


def state_after(folder: Path, name: str, *, steps: int, **settings: Any) -> dict[str, torch.Tensor]:
    (folder / name).mkdir()
    return run_to_end(start(folder / name, steps=steps, people=4, **settings), ignore).model.state_dict()


@pytest.mark.parametrize("frozen", [2, 5])
def test_frozen_layers_stay_as_they_are_with_their_statistics(tmp_path: Path, frozen: int) -> None:
    before = {name: tensor.clone() for name, tensor in fresh_model(seed=1).state_dict().items()}
    after = state_after(tmp_path, "run", steps=2, frozen_layers=frozen)
    still = tuple(f"layers.conv{number}." for number in range(1, frozen + 1))
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name]) == name.startswith(still), name


def test_the_backbone_learns_at_its_share_of_the_rate(tmp_path: Path) -> None:
    """After one step: a quarter of the way in conv1 to conv5, all of it in the new layers."""
    before = fresh_model(seed=1).state_dict()
    learn = replace(config(1).learn, schedule="step")
    full, slow = (state_after(tmp_path, str(rate), steps=1, learn=learn, backbone_rate=rate) for rate in (1.0, 0.25))
    for name, start_value in before.items():
        if name.startswith("layers.") and name.endswith(("weight", "bias")):
            torch.testing.assert_close(4 * (slow[name] - start_value), full[name] - start_value, rtol=1e-3, atol=1e-6)
            assert (full[name] - start_value).abs().max() > 1e-4
        else:
            assert torch.equal(full[name], slow[name]), name


def test_thresholds_come_from_validation_people(tmp_path: Path) -> None:
    people = [*dotted_people(tmp_path, 4), *dotted_people(tmp_path, 8, seed=1, split="val")]
    hidden = {name: (x, y, 1) for name, (x, y, _) in people[-1].joints.items()}
    runs = {}
    for name, last in (("seen", people[-1]), ("hidden", replace(people[-1], joints=hidden))):
        tune = finetune_pose(
            [*people[:-1], last], joints=JOINTS, config=config(3), folder=tmp_path / name, seed=0, device="cpu"
        )
        runs[name] = run_to_end(tune, ignore)
    thresholds = PoseSettings.of(runs["seen"].config).visible_from
    assert thresholds is not None
    assert len(thresholds) == len(JOINTS)
    assert PoseSettings.of(runs["hidden"].config).visible_from != thresholds  # of 35 scores, no longer of 40
    val, _ = run_to_end(cut_people(people[4:], joints=JOINTS, torso_scale=3, crop_px=64), ignore)
    model = runs["seen"].model.eval()
    _, scores = run_to_end(predict_samples(model, val, top_cells=9, sub_cell=False), ignore)
    assert (scores < thresholds[0]).sum() == 2  # a twentieth of 40: no joint has twenty scores of its own
    few = run_to_end(start(tmp_path, steps=1), ignore)
    assert PoseSettings.of(few.config).visible_from is None


def test_validation_reports_pdj(tmp_path: Path) -> None:
    result = run_to_end(start(tmp_path, steps=2, people=20), ignore)
    assert {"pdj@0.2", "pck@0.1", "train_loss"} <= set(result.metrics)


def test_init_copies_the_backbone(tmp_path: Path) -> None:
    people = dotted_people(tmp_path, 2)
    source = ActionNet(NET, 3)
    steps = finetune_pose(
        people, joints=JOINTS, config=config(1), folder=tmp_path / "run", seed=0, init=source, device="cpu"
    )
    result = run_to_end(steps, ignore)
    moved = result.model.layers.conv1.conv.weight - source.appearance.layers.conv1.conv.weight
    assert moved.abs().max() < 0.05  # one step away from the copy; random weights differ by about 0.3
    wide = PoseNet(NetConfig(width=1 / 8, crop_px=64, norm="batch"), 2)
    with pytest.raises(ModelUnsuitable):
        run_to_end(
            finetune_pose(people, joints=JOINTS, config=config(1), folder=tmp_path / "b", seed=0, init=wide), ignore
        )


def test_nobody_with_such_joints(tmp_path: Path) -> None:
    steps = finetune_pose(
        dotted_people(tmp_path, 3), joints=JointSet(("left_knee",)), config=config(1), folder=tmp_path, seed=0
    )
    with pytest.raises(DatasetUnsuitable, match="left_knee"):
        next(steps)


def test_people_of_one_image_stay_together(tmp_path: Path) -> None:
    people = [replace(person, split=None) for person in dotted_people(tmp_path, 12) for _ in range(3)]
    train, val = train_and_val(with_joints(people, JOINTS), seed=0, val_fraction=0.1)
    assert len(val) == 6  # a tenth of 36, in whole images
    assert not {person.image for person in train} & {person.image for person in val}


def spoiled(folder: Path) -> list[Person]:
    """Two people of an image that is cut short, one of an image that is gone, and one beyond the edge of a good one."""
    (person,) = dotted_people(folder, 1, seed=99)
    cut = replace(person, image=damaged_jpeg(folder / "0a1b.jpg"), name="cut.jpg")
    return [
        cut,
        replace(cut, torso_box=(0, 0, 32, 32)),
        replace(person, image=folder / "gone.png"),
        replace(person, torso_box=(5000, 0, 32, 32)),
    ]


def mixed_up(good: list[Person], bad: list[Person]) -> list[Person]:
    """Both, with bad ones first, last and in between."""
    return [bad[0], *good[:2], bad[1], bad[2], *good[2:], bad[3]]


def test_rows_stay_together_when_people_are_left_out(tmp_path: Path) -> None:
    good = dotted_people(tmp_path, 5)
    good[3] = replace(good[3], joints={**good[3].joints, "nose": (0.0, 0.0, 0)})
    cut = partial(cut_people, joints=JOINTS, torso_scale=3, crop_px=64)
    samples, left_out = run_to_end(cut(mixed_up(good, spoiled(tmp_path))), ignore)
    assert [(one.name, one.code) for one in left_out] == [
        ("cut.jpg", "image_unreadable"), ("gone.png", "image_unreadable"), ("99-0.png", "box_outside_image"),
    ]  # fmt: skip
    assert [one.path for one in left_out] == [tmp_path / "0a1b.jpg", tmp_path / "gone.png", None]
    assert samples.people == tuple(good)
    for row, person in enumerate(good):
        alone, _ = run_to_end(cut([person]), ignore)
        assert samples.crops[row] == alone.crops[0]
        np.testing.assert_array_equal(samples.crops_u8[row], alone.crops_u8[0])
        np.testing.assert_array_equal(samples.keypoints_px[row], alone.keypoints_px[0])
        np.testing.assert_array_equal(samples.labelled[row], alone.labelled[0])
    assert samples.labelled.sum() == 24


def test_a_run_goes_on_without_what_does_not_read(tmp_path: Path) -> None:
    """It learns exactly what it learns from the good people alone, and is measured on the good ones alone."""
    good, bad = dotted_people(tmp_path, 4), spoiled(tmp_path)
    seen = dotted_people(tmp_path, 2, seed=1, split="val")
    unseen = [replace(person, split="val") for person in bad[:2]]
    tune = partial(finetune_pose, joints=JOINTS, config=config(3), seed=1, device="cpu")
    mixed = run_to_end(tune([*mixed_up(good, bad), *unseen, *seen], folder=tmp_path / "mixed"), ignore)
    alone = run_to_end(tune([*good, *seen], folder=tmp_path / "alone"), ignore)
    assert [one.name for one in mixed.left_out] == ["cut.jpg", "gone.png", "99-0.png", "cut.jpg"]
    assert alone.left_out == []
    assert mixed.metrics == alone.metrics
    for name, tensor in alone.model.state_dict().items():
        torch.testing.assert_close(mixed.model.state_dict()[name], tensor, rtol=0, atol=0)
    scored = run_to_end(evaluate_pose(alone.model, alone.config, mixed_up(good, bad)), ignore)
    assert scored.metrics == run_to_end(evaluate_pose(alone.model, alone.config, good), ignore).metrics
    assert [one.name for one in scored.left_out] == ["cut.jpg", "gone.png", "99-0.png"]


def test_a_run_does_not_resume_with_other_people(tmp_path: Path) -> None:
    first = start(tmp_path, steps=6)
    while (progress := next(first)).phase != "train" or progress.step < 3:
        pass
    first.close()
    again = start(tmp_path, steps=6)
    cut_short(tmp_path / "images" / "0-5.png")
    with pytest.raises(CheckpointMismatch):
        run_to_end(again, ignore)


def test_nobody_that_can_be_used(tmp_path: Path) -> None:
    bad = spoiled(tmp_path)
    with pytest.raises(DatasetUnsuitable, match=r"cut\.jpg: .*gone\.png: "):
        run_to_end(finetune_pose(bad, joints=JOINTS, config=config(1), folder=tmp_path, seed=0), ignore)
    model_config = pose_model_config(config(1), JOINTS)
    with pytest.raises(DatasetUnsuitable, match=r"99-0\.png: .*does not touch the image"):
        run_to_end(evaluate_pose(PoseNet(NET, len(JOINTS)), model_config, bad), ignore)


def test_crops_that_do_not_fit_in_memory_go_to_a_file(tmp_path: Path) -> None:
    people = dotted_people(tmp_path, 3)
    kept, _ = run_to_end(cut_people(people, joints=JOINTS, torso_scale=3, crop_px=64), ignore)
    mapped, left_out = run_to_end(
        cut_people([*people, *spoiled(tmp_path)], joints=JOINTS, torso_scale=3, crop_px=64, folder=tmp_path / "run",
                   memory_bytes=0), ignore
    )  # fmt: skip
    assert len(left_out) == 3
    assert isinstance(mapped.crops_u8, np.memmap)
    np.testing.assert_array_equal(mapped.crops_u8, kept.crops_u8)
    assert list((tmp_path / "run").iterdir()) == []
