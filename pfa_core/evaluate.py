"""Scores of trained models on labelled data, ready for JSON: a rate over nothing is None.

Axes: N people or clips, K joints, C classes.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from pfa_core.action_scores import score_actions
from pfa_core.clip_sample import read_sample
from pfa_core.clips import LabelledClip
from pfa_core.errors import DatasetUnsuitable, InputError
from pfa_core.finetune_pose import predict_samples
from pfa_core.left_out import LeftOut, nothing_usable
from pfa_core.manifest import ModelConfig
from pfa_core.metrics import Floats
from pfa_core.model_settings import PoseSettings, joints_of, labels_of
from pfa_core.people import Person
from pfa_core.pose_samples import cut_people, with_joints
from pfa_core.pose_scores import Poses, score_poses
from pfa_core.predict import ActionPrediction, ActionPredictor
from pfa_core.progress import Progress
from pfa_core.scores import Scored
from pfa_core.video.limits import DecodeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model did."""

    scored: Scored
    left_out: list[LeftOut]
    """What does not read and so is not counted."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The table of `evaluate_pose` or `evaluate_action`, ready for JSON."""
        return self.scored.metrics


def evaluate_pose(
    model: nn.Module, config: ModelConfig, people: Sequence[Person], *, seed: int = 0
) -> Generator[Progress, None, Evaluation]:
    """Score a pose model: PDJ and PCK per joint and fraction, strict PCP per limb and body part.

    Args:
        model: on any device; put in evaluation mode.
        people: those whose image does not read, or who lie outside it, are left out. Joints that the model does not
            know are not looked at. People of one group (without groups: of one image) are resampled together.
        seed: of the intervals' resamples.

    Returns:
        With metrics `{task, num_people, joints, pdj: {"0.1": {joint: rate, ..., "mean": rate}}, pdj_pairs: {"0.1":
        {"elbow": rate of both sides}}, pck, pck_box: as pdj, pcp: {part: rate, ..., "mean": rate}, pcp_limbs:
        {"left_shoulder-left_elbow": rate}, no_torso: {num_people, people: [image of the first few]}, intervals: {pdj,
        pdj_pairs, pck, pck_box, pcp, pcp_limbs: as above with [low, high] for a rate}, bootstrap: {level, method,
        num_resamples, num_groups, seed}}`. `mean` is over joints (PDJ, PCK) or limbs (PCP) that have a rate; people
        without a torso do not count for PDJ. PCK is measured by the box around the labelled joints, `pck_box` by the
        annotated person box, each by its longer side.

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
    found_px, _ = yield from predict_samples(
        model.eval(), samples, top_cells=settings.top_cells, sub_cell=settings.sub_cell
    )
    poses = Poses(
        found_px=found_px,
        true_px=samples.keypoints_px,
        labelled=samples.labelled,
        size_px=samples.sizes_px(),
        box_px=samples.box_sizes_px(),
    )
    groups = [person.group for person in samples.people]
    names = [person.image_name for person in samples.people]
    scored = score_poses(poses, joints=joints, groups=groups, names=names, seed=seed)
    return Evaluation(scored=scored, left_out=left_out)


def evaluate_action(
    model: nn.Module,
    config: ModelConfig,
    clips: Sequence[LabelledClip],
    *,
    limits: DecodeLimits | None = None,
    seed: int = 0,
) -> Generator[Progress, None, Evaluation]:
    """Score an action model by the paper's test: 25 frames x 10 crops a clip, 10 crops an image.

    A model of two streams needs no packs: the flow of what it looks at is measured here.

    Args:
        clips: those whose label the model does not know are not looked at, but counted; those that do not read are
            left out. Clips of one group are resampled together; without a group, each is by itself.
        seed: of the intervals' resamples.

    Returns:
        With metrics `{task, num_clips, num_unknown, accuracy, top_k: {k, accuracy}, mean_class_accuracy, labels,
        per_class: [{label, num_clips, accuracy}], confusion: C rows (true) of C counts (predicted), clips: [{name,
        label, predicted, probability}], intervals: {accuracy, top_k, mean_class_accuracy: [low, high], per_class:
        {label: [low, high]}}, bootstrap: as `evaluate_pose`}`. k is 5, or one fewer than there are classes. Of a model
        of two streams all of these are of the mean of both, and `streams: {appearance, motion, fused: {accuracy,
        num_clips, interval}}` compares: motion is judged on the clips that are long enough, the others by appearance
        alone.

    Raises:
        DatasetUnsuitable: no clip has a label that the model knows, or none of these reads.
        ModelUnsuitable: not an action model.
    """
    labels = labels_of(config)
    known = [clip for clip in clips if clip.label in labels]
    if not known:
        raise DatasetUnsuitable(f"No item has one of the model's labels: {', '.join(labels)}.")
    predictor = ActionPredictor(model, config, device=str(next(model.parameters()).device))
    read, found, left_out = yield from _predict_clips(predictor, known, limits=limits or DecodeLimits())
    if not read:
        raise nothing_usable(left_out, num_items=len(known))
    true = np.array([labels.index(clip.label) for clip in read])
    groups = [number if clip.group is None else clip.group for number, clip in enumerate(read)]
    rows = [one.probabilities for one in found]
    scored = score_actions(
        np.stack(rows).astype(np.float64),
        true,
        labels=labels,
        groups=groups,
        seed=seed,
        streams=_by_stream(found, config),
    )
    table = scored.metrics
    table["num_unknown"] = len(clips) - len(known)
    table["clips"] = [
        {"name": clip.name, "label": clip.label, "predicted": labels[row.argmax()], "probability": float(row.max())}
        for clip, row in zip(read, rows, strict=True)
    ]
    return Evaluation(scored=scored, left_out=left_out)


def _predict_clips(
    predictor: ActionPredictor, clips: Sequence[LabelledClip], *, limits: DecodeLimits
) -> Generator[Progress, None, tuple[list[LabelledClip], list[ActionPrediction], list[LeftOut]]]:
    """The clips that read, what is found of each, and the clips that do not read."""
    read: list[LabelledClip] = []
    found: list[ActionPrediction] = []
    left_out: list[LeftOut] = []
    for number, clip in enumerate(clips, start=1):
        try:
            sample = read_sample(clip, predictor.settings, limits=limits)
        except InputError as error:
            left_out.append(LeftOut.of(error, name=clip.name, path=clip.path))
        else:
            found.append(predictor(sample))
            read.append(clip)
        yield Progress(phase="predict", step=number, total=len(clips))
    return read, found, left_out


def _by_stream(found: Sequence[ActionPrediction], config: ModelConfig) -> dict[str, Floats] | None:
    """(N, C) of each stream of a model of two; a clip without motion has nan in the second."""
    if not config.two_stream:
        return None
    unseen = np.full(len(config.labels), np.nan)
    return {
        "appearance": np.stack([one.streams["appearance"] for one in found]).astype(np.float64),
        "motion": np.stack([one.streams.get("motion", unseen) for one in found]).astype(np.float64),
    }
