"""The evaluation section: the paper's columns, intervals where there are any, and nothing a label could break."""

from typing import Any

import numpy as np

from pfa_core.action_scores import score_actions
from pfa_core.evaluation_card import Evaluated, evaluation_section
from pfa_core.pose_scores import Poses, score_poses
from pfa_core.skeleton import JointSet

ARMS = JointSet(("left_shoulder", "left_elbow", "right_elbow", "right_hip"))


def _result(metrics: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m@1", "dataset": {"id": "ds_1", "name": "people"}, "split": "test", "metrics": metrics}


def _pose_metrics() -> dict[str, Any]:
    """Two people with torsos of 50 px; of the four elbows one is 12 px off, the others are right."""
    true = np.tile(np.array([[0.0, 0.0], [0.0, 20.0], [30.0, 20.0], [30.0, 40.0]]), (2, 1, 1))
    found = true.copy()
    found[0, 1] += (12, 0)
    sizes = np.full(2, 100.0)
    poses = Poses(found_px=found, true_px=true, labelled=np.ones((2, 4), dtype=bool), size_px=sizes, box_px=sizes)
    return score_poses(poses, joints=ARMS, groups=["a", "b"], names=["a", "b"]).metrics


def test_a_model_without_evaluations_has_no_section() -> None:
    assert evaluation_section([]) == ""


def test_pose_by_hand() -> None:
    """3 of 4 elbows within 0.1 and 0.2 of 50 px, all within 0.3; either person drawn twice gives 1/2 or 1."""
    text = evaluation_section([Evaluated(job="job_1", on="2026-01-02", result=_result(_pose_metrics()))])
    assert "### people, split test, 2026-01-02" in text
    assert "| PDJ | at 0.1 | at 0.2 | at 0.3 | at 0.4 |" in text
    low_to_high = "(50.0 to 100.0)"
    alright = "100.0 (100.0 to 100.0)"
    assert f"| elbow | 75.0 {low_to_high} | 75.0 {low_to_high} | {alright} | {alright} |" in text
    assert "| upper_arm | 50.0 (0.0 to 100.0) |" in text
    assert "2 people; job `job_1`; 1000 resamples of 2 groups." in text


def test_action_and_labels_that_are_markdown() -> None:
    probabilities = np.eye(3)[[0, 1, 2, 0]]
    labels = ("a|b", "c\n# d", "<script>")
    metrics = score_actions(probabilities, np.array([0, 1, 2, 1]), labels=labels).metrics
    text = evaluation_section([Evaluated(job="job_2", on="2026-01-02", result=_result(metrics))])
    assert "| top-1 accuracy | 75.0 (" in text
    assert "| a/b | 1 | 100.0" in text
    assert "| c # d | 2 | 50.0" in text
    assert "<script" not in text


def test_each_stream_has_a_row() -> None:
    true = np.array([0, 1, 1, 1])
    streams = {"appearance": np.eye(2)[[0, 1, 1, 0]], "motion": np.vstack([np.eye(2)[[0, 0]], np.full((2, 2), np.nan)])}
    metrics = score_actions(np.eye(2)[true], true, labels=("a", "b"), streams=streams).metrics
    text = evaluation_section([Evaluated(job="job_4", on="2026-01-02", result=_result(metrics))])
    assert "| top-1 accuracy | 100.0 (" in text
    assert "| top-1 accuracy, appearance alone (4 clips) | 75.0 (" in text
    assert "| top-1 accuracy, motion alone (2 clips) | 50.0 (" in text


def test_a_result_of_an_earlier_version_is_shown_without_what_it_lacks() -> None:
    metrics = _pose_metrics()
    for key in ("pdj_pairs", "pck_box", "no_torso", "intervals", "bootstrap"):
        del metrics[key]
    text = evaluation_section([Evaluated(job="job_3", on="2026-01-02", result={"model": "m@1", "metrics": metrics})])
    assert "### A data set, 2026-01-02" in text
    assert "| left_elbow | 50.0 | 50.0 | 100.0 | 100.0 |" in text
    assert "2 people; job `job_3`." in text
