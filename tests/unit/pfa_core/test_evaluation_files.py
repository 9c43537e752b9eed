"""The files of an evaluation: what is in the table is in them, and the pictures are pictures."""

import csv
import io
import json

import numpy as np
from PIL import Image

from pfa_core.action_scores import score_actions
from pfa_core.evaluation_files import evaluation_files
from pfa_core.pose_scores import CURVE, FRACTIONS, Poses, score_poses
from pfa_core.score_charts import confusion_png
from pfa_core.scores import Scored
from pfa_core.skeleton import LSP, JointSet


def _poses(*, noise_px: float = 15, joints: JointSet = LSP, num_people: int = 30) -> Scored:
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 100, (num_people, len(joints), 2))
    sizes = np.full(num_people, 100.0)
    poses = Poses(
        found_px=true + rng.normal(0, noise_px, true.shape),
        true_px=true,
        labelled=np.ones(true.shape[:2], dtype=bool),
        size_px=sizes,
        box_px=sizes,
    )
    names = [f"{n}.jpg" for n in range(num_people)]
    return score_poses(poses, joints=joints, groups=names, names=names)


def _picture(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return picture


def test_a_pose_evaluation_has_json_csv_and_curves() -> None:
    scored = _poses()
    files = evaluation_files(scored, about={"model": "poser@1", "split": "val"})
    assert list(files) == ["evaluation.json", "evaluation.csv", "pdj.png"]
    everything = json.loads(files["evaluation.json"])
    assert (everything["model"], everything["split"], everything["metrics"]) == ("poser@1", "val", scored.metrics)
    assert everything["pdj_curve"]["fractions"] == list(CURVE)
    rows = list(csv.DictReader(io.StringIO(files["evaluation.csv"].decode())))
    assert list(rows[0]) == ["metric", "part", "fraction", "value", "low", "high", "hits", "count"]
    assert len(rows) == len(scored.scores)
    for metric in ("pdj", "pdj_pairs", "pck", "pck_box"):
        for fraction in FRACTIONS:
            key = f"{fraction:g}"
            found = {row["part"]: row for row in rows if (row["metric"], row["fraction"]) == (metric, key)}
            assert found.keys() == scored.metrics[metric][key].keys()
            for part, value in scored.metrics[metric][key].items():
                assert abs(float(found[part]["value"]) - value) < 1e-5
                low, high = scored.metrics["intervals"][metric][key][part]
                assert abs(float(found[part]["low"]) - low) < 1e-4
                assert abs(float(found[part]["high"]) - high) < 1e-4
                if part != "mean":
                    assert abs(int(found[part]["hits"]) / int(found[part]["count"]) - value) < 1e-5
    width, height = _picture(files["pdj.png"]).size
    assert min(width, height) > 500


def test_an_action_evaluation_has_a_confusion_matrix_and_odd_labels_survive() -> None:
    labels = ("walk, slowly", 'the "run"', "a $5 jump$", "x" * 80)
    probabilities = np.eye(4)[[0, 1, 2, 3, 0, 1]]
    scored = score_actions(probabilities, np.array([0, 1, 2, 3, 1, 1]), labels=labels)
    files = evaluation_files(scored, about={})
    assert list(files) == ["evaluation.json", "evaluation.csv", "confusion.png"]
    rows = list(csv.DictReader(io.StringIO(files["evaluation.csv"].decode())))
    assert [row["part"] for row in rows if row["metric"] == "per_class"] == [*labels, "mean"]
    assert [row["metric"] for row in rows if row["part"] == "all"] == ["accuracy", "top_3"]
    _picture(files["confusion.png"])


def test_curves_show_what_was_scored() -> None:
    """A worse model, the same people: another picture. A joint set without torsos is drawn all the same."""
    arm = JointSet(("left_shoulder", "left_elbow", "right_elbow", "right_hip"))
    better, worse, torsoless = (
        evaluation_files(_poses(noise_px=noise_px, joints=joints), about={})["pdj.png"]
        for noise_px, joints in ((5, arm), (25, arm), (5, JointSet(("nose",))))
    )
    assert better != worse
    assert np.asarray(_picture(torsoless)).std() > 1


def test_a_matrix_of_many_classes_stays_a_picture_of_reasonable_size() -> None:
    counts = np.eye(200, dtype=np.int64)
    assert max(_picture(confusion_png(counts, [f"class {n}" for n in range(200)])).size) < 2000
