"""Tables of scores: worked out by hand, and JSON whatever is missing."""

import json

import numpy as np
import pytest

from pfa_core.evaluate import score_actions, score_poses
from pfa_core.skeleton import JointSet

JOINTS = JointSet((
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "right_hip", "nose",
))  # fmt: skip


def test_pose_table_by_hand() -> None:
    """One person with a torso of 50 px, arms of 20 px; elbows are 9 and 11 px off, the nose is unknown."""
    true = np.array([[[0, 0], [30, 0], [0, 20], [30, 20], [30, 40], [np.nan, np.nan]]], dtype=np.float64)
    found = np.nan_to_num(true.copy())
    found[0, 2] += (9, 0)
    found[0, 3] += (0, 11)
    labelled = ~np.isnan(true[..., 0])
    table = score_poses(found, true, labelled, joints=JOINTS, size_px=np.array([40.0]))
    assert table["num_people"] == 1
    assert table["pdj"]["0.1"] == {
        "left_shoulder": 1, "right_shoulder": 1, "left_elbow": 0, "right_elbow": 0, "right_hip": 1, "nose": None,
        "mean": pytest.approx(3 / 5),
    }  # fmt: skip
    assert table["pdj"]["0.2"]["left_elbow"] == 1  # 9 <= 10
    assert table["pdj"]["0.2"]["right_elbow"] == 0  # 11 > 10
    assert table["pck"]["0.3"]["right_elbow"] == 1  # 11 <= 12
    assert table["pcp"] == {
        "upper_arm": pytest.approx(1 / 2), "torso": pytest.approx(1), "mean": pytest.approx(2 / 3)
    }  # fmt: skip
    assert table["pcp_limbs"] == {
        "left_shoulder-left_elbow": 1, "right_shoulder-right_elbow": 0, "right_shoulder-right_hip": 1,
    }  # fmt: skip
    json.dumps(table, allow_nan=False)


def test_a_joint_set_without_torso_and_limbs_is_still_scored() -> None:
    places = np.zeros((2, 1, 2))
    table = score_poses(places, places, np.ones((2, 1), dtype=bool), joints=JointSet(("nose",)), size_px=np.ones(2))
    assert table["pdj"]["0.2"] == {"nose": None, "mean": None}
    assert table["pck"]["0.2"] == {"nose": 1, "mean": 1}
    assert table["pcp"] == {"mean": None}
    json.dumps(table, allow_nan=False)


def test_action_table_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1]])
    table = score_actions(probabilities, np.array([0, 0, 1]), labels=("a", "b", "c"))
    assert table["accuracy"] == pytest.approx(2 / 3)
    assert table["mean_class_accuracy"] == pytest.approx(3 / 4)
    assert table["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [row["accuracy"] for row in table["per_class"]] == [0.5, 1.0, None]
    assert [row["num_clips"] for row in table["per_class"]] == [2, 1, 0]
    json.dumps(table, allow_nan=False)
