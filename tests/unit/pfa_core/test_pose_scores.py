"""Tables of pose scores: worked out by hand, against a literal version, and JSON whatever is missing."""

import json
import math

import numpy as np
import pytest

from pfa_core.pose_scores import CURVE, FRACTIONS, PAPER_FRACTIONS, Poses, score_poses
from pfa_core.scores import Scored
from pfa_core.skeleton import FLIC, LSP, JointSet

JOINTS = JointSet((
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "right_hip", "nose",
))  # fmt: skip


def _by_hand() -> Scored:
    """One person with a torso of 50 px, arms of 20 px; elbows are 9 and 11 px off, the nose is unknown."""
    true = np.array([[[0, 0], [30, 0], [0, 20], [30, 20], [30, 40], [np.nan, np.nan]]], dtype=np.float64)
    found = np.nan_to_num(true.copy())
    found[0, 2] += (9, 0)
    found[0, 3] += (0, 11)
    poses = Poses(
        found_px=found,
        true_px=true,
        labelled=~np.isnan(true[..., 0]),
        size_px=np.array([40.0]),
        box_px=np.array([100.0]),
    )
    return score_poses(poses, joints=JOINTS, groups=["a.jpg"], names=["a.jpg"])


def test_pose_table_by_hand() -> None:
    table = _by_hand().metrics
    assert table["num_people"] == 1
    assert table["pdj"]["0.1"] == {
        "left_shoulder": 1, "right_shoulder": 1, "left_elbow": 0, "right_elbow": 0, "right_hip": 1, "nose": None,
        "mean": pytest.approx(3 / 5),
    }  # fmt: skip
    assert table["pdj"]["0.2"]["left_elbow"] == 1  # 9 <= 10
    assert table["pdj"]["0.2"]["right_elbow"] == 0  # 11 > 10
    assert table["pdj_pairs"]["0.2"] == {"shoulder": 1, "elbow": 0.5}
    assert table["pck"]["0.3"]["right_elbow"] == 1  # 11 <= 12
    assert table["pck_box"]["0.1"]["right_elbow"] == 0  # 11 > 10
    assert table["pck_box"]["0.1"]["left_elbow"] == 1  # 9 <= 10
    assert table["pcp"] == {
        "upper_arm": pytest.approx(1 / 2), "torso": pytest.approx(1), "mean": pytest.approx(2 / 3)
    }  # fmt: skip
    assert table["pcp_limbs"] == {
        "left_shoulder-left_elbow": 1, "right_shoulder-right_elbow": 0, "right_shoulder-right_hip": 1,
    }  # fmt: skip
    assert table["no_torso"] == {"num_people": 0, "people": []}
    assert table["intervals"]["pdj"]["0.1"]["left_elbow"] is None  # one image says nothing of the next
    assert set(PAPER_FRACTIONS) <= set(FRACTIONS) <= set(CURVE)
    json.dumps(table, allow_nan=False)


def test_the_curve_by_hand() -> None:
    """The left elbow, 9 of 50 px off, is found from 0.18 on; the right one, 11 px off, from 0.22 on."""
    curve = _by_hand().details["pdj_curve"]
    for part, first in (("left_elbow", 0.18), ("right_elbow", 0.22)):
        assert curve["parts"][part]["value"] == [float(fraction >= first) for fraction in curve["fractions"]]
    assert curve["parts"]["elbow"]["value"][CURVE.index(0.2)] == 0.5
    assert curve["parts"]["nose"]["value"] == [None] * len(CURVE)


def _people(seed: int, *, joints: JointSet, num_people: int = 60) -> tuple[Poses, list[str]]:
    """People of 12 images, some joints not labelled, some people without a torso or a box."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (num_people, len(joints), 2))
    labelled = rng.random(true.shape[:2]) > 0.3
    true[~labelled] = np.nan
    poses = Poses(
        found_px=np.nan_to_num(true) + rng.normal(0, 12, true.shape),
        true_px=true,
        labelled=labelled,
        size_px=rng.uniform(50, 150, num_people),
        box_px=np.where(rng.random(num_people) < 0.8, rng.uniform(60, 160, num_people), np.nan),
    )
    return poses, [f"{n}.jpg" for n in rng.integers(0, 12, num_people)]


def _literal(poses: Poses, *, parts: list[int], sizes: list[float], fraction: float) -> tuple[int, int]:
    """Hits and tries of some joints, one by one."""
    hits = tries = 0
    for n, size in enumerate(sizes):
        for k in parts:
            if poses.labelled[n, k] and not math.isnan(size):
                tries += 1
                hits += math.dist(poses.found_px[n, k], poses.true_px[n, k]) <= fraction * size
    return hits, tries


@pytest.mark.parametrize("joints", [FLIC, LSP], ids=["flic", "lsp"])
def test_every_row_equals_a_literal_count(joints: JointSet) -> None:
    poses, images = _people(3, joints=joints)
    scored = score_poses(poses, joints=joints, groups=images, names=images)
    shoulder, hip = joints.index("left_shoulder"), joints.index("right_hip")
    torso = [
        math.dist(poses.true_px[n, shoulder], poses.true_px[n, hip])
        if poses.labelled[n, shoulder] and poses.labelled[n, hip]
        else math.nan
        for n in range(len(images))
    ]
    sizes = {"pdj": torso, "pdj_pairs": torso, "pck": list(poses.size_px), "pck_box": list(poses.box_px)}
    checked = 0
    for row in scored.scores:
        if row.metric in sizes and row.part != "mean":
            assert row.fraction is not None
            sides = [k for k, name in enumerate(joints.names) if name in {f"left_{row.part}", f"right_{row.part}"}]
            parts = sides if row.metric == "pdj_pairs" else [joints.index(row.part)]
            expected = _literal(poses, parts=parts, sizes=sizes[row.metric], fraction=row.fraction)
            assert (row.hits, row.count) == expected, row
            assert row.value == pytest.approx(expected[0] / expected[1])
            assert row.low is not None
            assert row.high is not None
            assert 0 <= row.low <= row.high <= 1
            checked += 1
    assert checked == len(CURVE) * (len(joints) + len(joints.pairs)) + 2 * len(FRACTIONS) * len(joints)
    without = [image for image, diameter in zip(images, torso, strict=True) if math.isnan(diameter)]
    assert scored.details["no_torso"] == without
    assert scored.metrics["no_torso"] == {"num_people": len(without), "people": without[:20]}


def test_parts_of_both_sides_are_pooled_and_limbs_averaged() -> None:
    """Strict PCP limb by limb, both ends within half the limb; a part's rate counts each limb of either side once."""
    poses, images = _people(5, joints=LSP)
    metrics = score_poses(poses, joints=LSP, groups=images, names=images).metrics
    rates = []
    pooled: dict[str, list[int]] = {}
    for limb in LSP.limbs:
        a, b = LSP.index(limb.start), LSP.index(limb.end)
        hits = tries = 0
        for n in range(len(images)):
            if poses.labelled[n, a] and poses.labelled[n, b]:
                half = math.dist(poses.true_px[n, a], poses.true_px[n, b]) / 2
                tries += 1
                hits += all(math.dist(poses.found_px[n, k], poses.true_px[n, k]) <= half for k in (a, b))
        assert metrics["pcp_limbs"][f"{limb.start}-{limb.end}"] == pytest.approx(hits / tries)
        rates.append(hits / tries)
        part = pooled.setdefault(limb.part, [0, 0])
        part[0] += hits
        part[1] += tries
    expected = {part: pytest.approx(hits / tries) for part, (hits, tries) in pooled.items()}
    assert metrics["pcp"] == expected | {"mean": pytest.approx(np.mean(rates))}


def test_order_does_not_matter() -> None:
    poses, images = _people(6, joints=FLIC)
    order = np.random.default_rng(7).permutation(len(images))
    shuffled = Poses(
        found_px=poses.found_px[order],
        true_px=poses.true_px[order],
        labelled=poses.labelled[order],
        size_px=poses.size_px[order],
        box_px=poses.box_px[order],
    )
    names = [images[n] for n in order]
    one = score_poses(poses, joints=FLIC, groups=images, names=images).metrics
    other = score_poses(shuffled, joints=FLIC, groups=names, names=names).metrics
    for metric in ("pdj", "pdj_pairs", "pck", "pck_box", "pcp", "pcp_limbs"):
        assert one[metric] == other[metric]


def test_a_joint_set_without_torso_and_limbs_is_still_scored() -> None:
    places = np.zeros((2, 1, 2))
    poses = Poses(
        found_px=places,
        true_px=places,
        labelled=np.ones((2, 1), dtype=bool),
        size_px=np.ones(2),
        box_px=np.full(2, np.nan),
    )
    scored = score_poses(poses, joints=JointSet(("nose",)), groups=["a", "b"], names=["a", "b"])
    table = scored.metrics
    assert table["pdj"]["0.2"] == {"nose": None, "mean": None}
    assert table["pck"]["0.2"] == {"nose": 1, "mean": 1}
    assert table["pck_box"]["0.2"] == {"nose": None, "mean": None}
    assert table["pcp"] == {"mean": None}
    assert table["no_torso"] == {"num_people": 2, "people": ["a", "b"]}
    json.dumps([table, scored.details], allow_nan=False)
