"""The scores of found poses: strict PCP, PDJ and PCK, per joint and for both sides together, with intervals.

The paper's table 2 has one column for both elbows and one for both wrists; here too, `pdj_pairs` counts the labelled
joints of both sides together, each once.

Axes: N people, K joints, L limbs.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.metrics import Flags, Floats, joint_hits, limb_hits, torso_diameters
from pfa_core.scores import MEAN, Scored, Scores, interval_table, table
from pfa_core.skeleton import JointSet

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Of the torso diameter for PDJ (paper, table 2: 0.1 to 0.4), of the person's size for PCK."""
PAPER_FRACTIONS = (0.1, 0.2, 0.3, 0.4)
"""The columns of the paper's table 2."""
CURVE = tuple(step / 100 for step in range(51))
"""The thresholds of the PDJ curves; FRACTIONS are among them."""
PCP_FRACTION = 0.5
NAMED = 20
"""Most people without a torso that the table names; the details name all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poses:
    """Places found and true, in the px of each image."""

    found_px: Floats
    """(N, K, 2)."""
    true_px: Floats
    """(N, K, 2); nan where not labelled."""
    labelled: Flags
    """(N, K)."""
    size_px: Floats
    """(N,) the longer side of the box around each person's labelled joints: what `pck` is measured by."""
    box_px: Floats
    """(N,) the longer side of each person's annotated box, nan without one: what `pck_box` is measured by."""


def score_poses(
    poses: Poses, *, joints: JointSet, groups: Sequence[Hashable], names: Sequence[str], seed: int = 0
) -> Scored:
    """Score N people.

    Args:
        groups: (N,) people of one group are resampled together; see `bootstrap`.
        names: (N,) what to call each person's image.
        seed: of the resamples.

    Returns:
        With metrics as `evaluate_pose` has them, and details `{pdj_curve: {fractions, parts: {joint or pair: {value,
        low, high: a list each}}}, no_torso: [image name of each person]}`.
    """
    torso_px = torso_diameters(poses.true_px, poses.labelled, joints=joints)
    scores = Scores(groups, seed=seed)
    for fraction in CURVE:
        _add_joints(scores, "pdj", poses, joints=joints, size_px=torso_px, fraction=fraction)
    for metric, size_px in (("pck", poses.size_px), ("pck_box", poses.box_px)):
        for fraction in FRACTIONS:
            _add_joints(scores, metric, poses, joints=joints, size_px=size_px, fraction=fraction)
    _add_limbs(scores, poses, joints=joints)
    without = [name for name, diameter_px in zip(names, torso_px, strict=True) if not diameter_px > 0]
    tables, intervals = _tables(scores)
    metrics = {
        "task": "pose",
        "num_people": len(poses.true_px),
        "joints": list(joints.names),
        **tables,
        "no_torso": {"num_people": len(without), "people": without[:NAMED]},
        "intervals": intervals,
        "bootstrap": scores.bootstrap(),
    }
    return Scored(metrics=metrics, scores=scores.rows(), details={"pdj_curve": _curves(scores), "no_torso": without})


def _add_joints(
    scores: Scores, metric: str, poses: Poses, *, joints: JointSet, size_px: Floats, fraction: float
) -> None:
    """Each joint and their mean; and pairs, where the metric is PDJ."""
    hits, counted = joint_hits(
        poses.found_px, poses.true_px, poses.labelled, size_px=size_px, fraction=fraction
    )  # (N, K)
    scores.add(metric, joints.names, hits, counted, fraction=fraction, mean=True)
    if metric == "pdj":
        sides = list(joints.pairs.values())
        scores.add("pdj_pairs", list(joints.pairs), _pooled(hits, sides), _pooled(counted, sides), fraction=fraction)


def _add_limbs(scores: Scores, poses: Poses, *, joints: JointSet) -> None:
    """Each limb and their mean; and body parts, with the limbs of both sides together."""
    limbs = joints.limbs
    ends = [(joints.index(limb.start), joints.index(limb.end)) for limb in limbs]
    hits, counted = limb_hits(poses.found_px, poses.true_px, poses.labelled, limbs=ends, fraction=PCP_FRACTION)
    names = [f"{limb.start}-{limb.end}" for limb in limbs]
    scores.add("pcp_limbs", names, hits, counted, fraction=PCP_FRACTION, mean=True)
    parts = {part: [i for i, limb in enumerate(limbs) if limb.part == part] for part in (limb.part for limb in limbs)}
    members = list(parts.values())
    scores.add("pcp", list(parts), _pooled(hits, members), _pooled(counted, members), fraction=PCP_FRACTION)


def _pooled(flags: Flags, chosen: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """(N, P) flags -> (N, Q) how many of each list of columns are set."""
    columns = [flags[:, list(members)].sum(axis=1) for members in chosen]
    return np.stack(columns, axis=1) if columns else np.zeros((len(flags), 0), dtype=np.int64)


def _tables(scores: Scores) -> tuple[dict[str, Any], dict[str, Any]]:
    """{metric: {threshold: {part: value}}}, and the same of intervals; PCP has one threshold only, which is left out.

    The mean of PCP is over limbs.
    """
    tables: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for metric in ("pdj", "pdj_pairs", "pck", "pck_box"):
        tables[metric] = {f"{fraction:g}": table(scores.of(metric, fraction)) for fraction in FRACTIONS}
        intervals[metric] = {f"{fraction:g}": interval_table(scores.of(metric, fraction)) for fraction in FRACTIONS}
    limbs = scores.of("pcp_limbs", PCP_FRACTION)
    mean = [score for score in limbs if score.part == MEAN]
    rows = {"pcp": [*scores.of("pcp", PCP_FRACTION), *mean], "pcp_limbs": limbs[:-1]}
    tables |= {metric: table(found) for metric, found in rows.items()}
    intervals |= {metric: interval_table(found) for metric, found in rows.items()}
    return tables, intervals


def _curves(scores: Scores) -> dict[str, Any]:
    """PDJ at each threshold of CURVE, of joints and of pairs."""
    by_part: dict[str, dict[str, list[float | None]]] = {}
    for fraction in CURVE:
        for score in (*scores.of("pdj", fraction), *scores.of("pdj_pairs", fraction)):
            curve = by_part.setdefault(score.part, {"value": [], "low": [], "high": []})
            for key, value in (("value", score.value), ("low", score.low), ("high", score.high)):
                curve[key].append(value if value is None else round(value, 4))
    return {"fractions": list(CURVE), "parts": by_part}
