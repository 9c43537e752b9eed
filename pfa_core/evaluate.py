"""Scores of trained models on labelled data, ready for JSON: a rate over nothing is None.

Axes: N people or clips, K joints, C classes.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pfa_core.clips import LabelledClip, read_clip
from pfa_core.errors import DatasetUnsuitable, InputError
from pfa_core.finetune_pose import predict_samples
from pfa_core.left_out import LeftOut, nothing_usable
from pfa_core.manifest import ModelConfig
from pfa_core.metrics import (
    Flags,
    Floats,
    confusion,
    joint_hits,
    limb_hits,
    per_class,
    rate,
    top1,
    torso_diameters,
)
from pfa_core.model_settings import PoseSettings, joints_of, labels_of
from pfa_core.people import Person
from pfa_core.pose_samples import cut_people, with_joints
from pfa_core.predict import ActionPredictor
from pfa_core.progress import Progress
from pfa_core.skeleton import JointSet
from pfa_core.video.limits import DecodeLimits

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Of the torso diameter for PDJ (paper, table 2: 0.1 to 0.4), of the labelled extent for PCK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model did."""

    metrics: dict[str, Any]
    """The table of `evaluate_pose` or `evaluate_action`, ready for JSON."""
    left_out: list[LeftOut]
    """What does not read and so is not counted."""


def evaluate_pose(
    model: nn.Module, config: ModelConfig, people: Sequence[Person]
) -> Generator[Progress, None, Evaluation]:
    """Score a pose model: PDJ and PCK per joint and fraction, strict PCP per limb and body part.

    Args:
        model: on any device; put in evaluation mode.
        people: those whose image does not read, or who lie outside it, are left out. Joints that the model does not
            know are not looked at.

    Returns:
        With metrics `{task, num_people, joints, pdj: {"0.1": {joint: rate, ..., "mean": rate}}, pck: the same, pcp:
        {part: rate, ..., "mean": rate}, pcp_limbs: {"left_shoulder-left_elbow": rate}}`. `mean` is over joints (PDJ,
        PCK) or limbs (PCP) that have a rate.

    Raises:
        DatasetUnsuitable: no joint of the model is labelled on anyone, or no image reads.
        ModelUnsuitable: not a pose model.
    """
    joints, settings = joints_of(config), PoseSettings.of(config)
    shown = with_joints(people, joints)
    samples, left_out = yield from cut_people(
        shown, joints=joints, torso_scale=settings.torso_scale, crop_px=config.net.crop_px
    )
    if not len(samples):
        raise nothing_usable(left_out, num_items=len(shown))
    found_px = yield from predict_samples(model.eval(), samples, top_cells=settings.top_cells)
    table = score_poses(found_px, samples.keypoints_px, samples.labelled, joints=joints, size_px=samples.sizes_px())
    return Evaluation(metrics=table, left_out=left_out)


def score_poses(
    found_px: Floats, true_px: Floats, labelled: Flags, *, joints: JointSet, size_px: Floats
) -> dict[str, Any]:
    """The table of `evaluate_pose` from (N, K, 2) places found and true, (N, K) labelled and (N,) sizes for PCK."""
    torso_px = torso_diameters(true_px, labelled, joints=joints)

    def by_joint(sizes: Floats) -> dict[str, dict[str, float | None]]:
        table = {}
        for fraction in FRACTIONS:
            hit, counted = joint_hits(found_px, true_px, labelled, size_px=sizes, fraction=fraction)
            table[f"{fraction:g}"] = _named(joints.names, rate(hit.sum(axis=0), counted.sum(axis=0)))
        return table

    pairs = [(joints.index(limb.start), joints.index(limb.end)) for limb in joints.limbs]
    hit, counted = limb_hits(found_px, true_px, labelled, limbs=pairs)
    by_limb = rate(hit.sum(axis=0), counted.sum(axis=0))
    parts = [limb.part for limb in joints.limbs]
    pooled = {
        part: rate(hit[:, here].sum(keepdims=True), counted[:, here].sum(keepdims=True))[0, 0]
        for part in dict.fromkeys(parts)
        if (here := [i for i, other in enumerate(parts) if other == part])
    }
    return {
        "task": "pose",
        "num_people": len(true_px),
        "joints": list(joints.names),
        "pdj": by_joint(torso_px),
        "pck": by_joint(size_px),
        "pcp": {part: _plain(value) for part, value in pooled.items()} | {"mean": _mean(by_limb)},
        "pcp_limbs": {
            f"{limb.start}-{limb.end}": _plain(value) for limb, value in zip(joints.limbs, by_limb, strict=True)
        },
    }


def evaluate_action(
    model: nn.Module, config: ModelConfig, clips: Sequence[LabelledClip], *, limits: DecodeLimits | None = None
) -> Generator[Progress, None, Evaluation]:
    """Score an action model by the paper's test: 25 frames x 10 crops a clip, 10 crops an image.

    Args:
        clips: those whose label the model does not know are not looked at, but counted; those that do not read are
            left out.

    Returns:
        With metrics `{task, num_clips, num_unknown, accuracy, mean_class_accuracy, labels, per_class: [{label,
        num_clips, accuracy}], confusion: C rows (true) of C counts (predicted), clips: [{name, label, predicted,
        probability}]}`.

    Raises:
        DatasetUnsuitable: no clip has a label that the model knows, or none of these reads.
        ModelUnsuitable: not an action model.
    """
    labels = labels_of(config)
    known = [clip for clip in clips if clip.label in labels]
    if not known:
        raise DatasetUnsuitable(f"No item has one of the model's labels: {', '.join(labels)}.")
    predictor = ActionPredictor(model, config, device=str(next(model.parameters()).device))
    read, rows, left_out = yield from _predict_clips(predictor, known, limits=limits or DecodeLimits())
    if not read:
        raise nothing_usable(left_out, num_items=len(known))
    true = np.array([labels.index(clip.label) for clip in read])
    table = score_actions(np.stack(rows).astype(np.float64), true, labels=labels)
    table["num_unknown"] = len(clips) - len(known)
    table["clips"] = [
        {"name": clip.name, "label": clip.label, "predicted": labels[row.argmax()], "probability": float(row.max())}
        for clip, row in zip(read, rows, strict=True)
    ]
    return Evaluation(metrics=table, left_out=left_out)


def _predict_clips(
    predictor: ActionPredictor, clips: Sequence[LabelledClip], *, limits: DecodeLimits
) -> Generator[Progress, None, tuple[list[LabelledClip], list[NDArray[np.float32]], list[LeftOut]]]:
    """The clips that read, the (C,) probabilities of each, and the clips that do not read."""
    settings = predictor.settings
    size_px, max_frames = settings.short_side_px, settings.test_frames
    read: list[LabelledClip] = []
    rows: list[NDArray[np.float32]] = []
    left_out: list[LeftOut] = []
    for number, clip in enumerate(clips, start=1):
        try:
            frames = read_clip(clip, short_side_px=size_px, max_frames=max_frames, limits=limits).frames_u8
        except InputError as error:
            left_out.append(LeftOut.of(error, name=clip.name, path=clip.path))
        else:
            rows.append(predictor(frames).probabilities)
            read.append(clip)
        yield Progress(phase="predict", step=number, total=len(clips))
    return read, rows, left_out


def score_actions(probabilities: Floats, true: NDArray[np.int64], *, labels: tuple[str, ...]) -> dict[str, Any]:
    """The table of `evaluate_action` from (N, C) probabilities and (N,) true classes."""
    predicted = probabilities.argmax(axis=1)
    counts = confusion(predicted, true, num_labels=len(labels))
    rates = per_class(counts)
    return {
        "task": "action",
        "num_clips": len(true),
        "accuracy": _plain(top1(predicted, true)),
        "mean_class_accuracy": _mean(rates),
        "labels": list(labels),
        "per_class": [
            {"label": label, "num_clips": int(counts[c].sum()), "accuracy": _plain(rates[c])}
            for c, label in enumerate(labels)
        ],
        "confusion": counts.tolist(),
    }


def _named(names: tuple[str, ...], rates: Floats) -> dict[str, float | None]:
    return {name: _plain(value) for name, value in zip(names, rates, strict=True)} | {"mean": _mean(rates)}


def _mean(rates: Floats) -> float | None:
    known = rates[~np.isnan(rates)]
    return float(known.mean()) if len(known) else None


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
