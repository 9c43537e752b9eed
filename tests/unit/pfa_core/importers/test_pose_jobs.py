"""A pose job runs through on people of every published joint set: training, flipping, PDJ and PCP."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.evaluate import evaluate_pose
from pfa_core.finetune_pose import finetune_pose
from pfa_core.importers.published_joints import NAMES, published_joints
from pfa_core.people import Person
from pfa_core.progress import Progress, run_to_end

CONFIG = PoseConfig(
    net=NetConfig(width=1 / 32, crop_px=64, norm="batch"),
    learn=LearnConfig(batch_size=2, steps=1, learning_rate=0.01, validate_every_steps=9, checkpoint_every_steps=9),
    top_cells=9,
    flip=True,
)


def ignore(_: Progress) -> None:
    pass


@pytest.mark.parametrize("name", NAMES)
def test_every_joint_set_can_be_learned_and_scored(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    published = published_joints(name)
    path = tmp_path / "a.png"
    Image.fromarray(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(path)
    people = [
        Person(
            image=path,
            joints={joint: (rng.uniform(10, 85), rng.uniform(10, 85), 2) for joint in published.joints.names},
            person_box=(0, 0, 96, 96),
        )
        for _ in range(3)
    ]
    learning = finetune_pose(
        people, joints=published.joints, config=CONFIG, folder=tmp_path / "run", seed=1, device="cpu"
    )
    result = run_to_end(learning, ignore)
    metrics = run_to_end(evaluate_pose(result.model, result.config, people), ignore).metrics
    found = [*metrics["pdj"].values(), metrics["pcp"]]
    assert len(found) > 1
    assert all(0 <= rates["mean"] <= 1 for rates in found)
