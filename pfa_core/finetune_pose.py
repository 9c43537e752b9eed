"""Train a Pose ConvNet on labelled joints. Source: paper section 4.2.

Axes: N people, B batch, K joints, c side of a heatmap in cells.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pfa_core.checkpoint import digest_of
from pfa_core.colour import vary_colours
from pfa_core.config.pose import PoseConfig
from pfa_core.engine import Goal, device_of, train
from pfa_core.heatmaps import decode, heatmap_loss, targets
from pfa_core.left_out import LeftOut, nothing_usable
from pfa_core.manifest import ModelConfig
from pfa_core.metrics import pck, pdj, torso_diameters
from pfa_core.models import copy_backbone
from pfa_core.nets.pose import PoseNet
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.people import Person
from pfa_core.pose_batches import PoseBatch, PoseBatches
from pfa_core.pose_samples import PoseSamples, cut_people, with_joints
from pfa_core.progress import Progress, run_to_end
from pfa_core.seeds import seeded
from pfa_core.skeleton import JointSet
from pfa_core.splits import train_and_val
from pfa_core.visibility import visible_thresholds

_BATCH = 64
GOAL = Goal(figure="pck@0.1", larger_is_better=True)
"""What a user sees, and measurable without labelled torsos; the loss falls long after joints are found no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseResult:
    """A finetuned Pose ConvNet."""

    model: PoseNet
    config: ModelConfig
    """What `save_model` needs to write it."""
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    left_out: Sequence[LeftOut]
    """Images that do not read, or in which a person lies outside."""


def finetune_pose(
    people: Sequence[Person],
    *,
    joints: JointSet,
    config: PoseConfig,
    folder: Path,
    seed: int,
    init: nn.Module | None = None,
    device: str = "auto",
) -> Generator[Progress, None, PoseResult]:
    """Train on people of split `train` (or of none), validate on `val` or a held-out share; `test` is never looked at.

    Args:
        people: those without a labelled joint of the set are not looked at; those whose image does not read, or who
            lie outside it, are left out and named in the result.
        folder: checkpoints, metrics and event files; a run that was stopped goes on from there.
        init: the model that conv1 to conv5 are copied from; None: random.

    Raises:
        DatasetUnsuitable: no labelled joint, or nobody to train on; then the message has the first few reasons.
        ModelUnsuitable: the weights of `init` do not fit `config.net`, see `copy_backbone`.
        CheckpointMismatch: also when other images read than before the run was stopped.
        TrainingDiverged: see `engine.train`.
    """
    learners, held_out = train_and_val(with_joints(people, joints), seed=seed, val_fraction=config.val_fraction)
    with seeded(seed):
        model = PoseNet(config.net, len(joints))
    if init is not None:
        copy_backbone(init, model)
    cut = partial(cut_people, joints=joints, torso_scale=config.torso_scale, crop_px=config.net.crop_px, folder=folder)
    samples, left_out = yield from cut(learners, margin_px=config.augment.margin_px(config.net.crop_px))
    if not len(samples):
        raise nothing_usable(left_out, num_items=len(learners))
    val, left_out_of_val = yield from cut(held_out)
    result = yield from train(
        model,
        batch_of=PoseBatches(samples, joints=joints, config=config, seed=seed),
        loss_of=_loss_of(config),
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, joints, seed, [_identity(part) for part in (samples, val)]),
        device=device_of(device),
        seed=seed,
        validate=_validation(val, joints=joints, config=config) if len(val) else None,
        parameters=_trained(model, config),
        rates=dict.fromkeys(model.layers.parameters(), config.backbone_rate),
        goal=GOAL,
    )
    thresholds = (yield from _thresholds(model, val, config)) if len(val) else None
    return PoseResult(
        model=model,
        config=pose_model_config(config, joints, visible_from=thresholds),
        metrics=result.metrics,
        history=result.history,
        left_out=[*left_out, *left_out_of_val],
    )


def _trained(model: PoseNet, config: PoseConfig) -> list[nn.Parameter] | None:
    """The parameters outside the first `frozen_layers` layers; None is all."""
    if config.frozen_layers == 0:
        return None
    frozen = {p for layer in model.layers.stages[: config.frozen_layers] for p in layer.parameters()}
    return [parameter for parameter in model.parameters() if parameter not in frozen]


def _identity(samples: PoseSamples) -> list[str]:
    return [person.image_name for person in samples.people]


def _thresholds(
    model: PoseNet, samples: PoseSamples, config: PoseConfig
) -> Generator[Progress, None, Sequence[float] | None]:
    """From which score each joint counts as visible, see `visible_thresholds`."""
    _, scores = yield from predict_samples(model.eval(), samples, top_cells=config.top_cells, sub_cell=config.sub_cell)
    thresholds = visible_thresholds(scores, samples.in_sight())
    return None if thresholds is None else thresholds.tolist()


def pose_model_config(
    config: PoseConfig, joints: JointSet, *, visible_from: Sequence[float] | None = None
) -> ModelConfig:
    """How a model folder describes a Pose ConvNet.

    Args:
        visible_from: the score from which on each joint counts as visible; None: that is not known.
    """
    settings = asdict(config) | {"visible_from": None if visible_from is None else list(visible_from)}
    return ModelConfig(kind="pose", net=config.net, joints=joints, settings=settings)


def predict_samples(
    model: nn.Module, samples: PoseSamples, *, top_cells: int, sub_cell: bool
) -> Generator[Progress, None, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """(N, K, 2) the places that a model finds, image px, and (N, K) their scores; see `heatmaps.decode`."""
    device = next(model.parameters()).device
    found, scored = [], []
    for start in range(0, len(samples), _BATCH):
        crops_u8 = samples.images(slice(start, start + _BATCH)).to(device)
        with torch.no_grad():
            heatmaps = model(normalise_rgb(crops_u8))
        places_px, scores = decode(heatmaps, crop_px=crops_u8.shape[-1], top_cells=top_cells, sub_cell=sub_cell)
        found.append(places_px.cpu().numpy().astype(np.float64))
        scored.append(scores.cpu().numpy().astype(np.float64))
        yield Progress(phase="predict", step=min(start + _BATCH, len(samples)), total=len(samples))
    return samples.to_image_px(np.concatenate(found)), np.concatenate(scored)


def _loss_of(config: PoseConfig) -> Callable[[nn.Module, PoseBatch], tuple[Tensor, dict[str, float]]]:
    def loss_of(model: nn.Module, batch: PoseBatch) -> tuple[Tensor, dict[str, float]]:
        images = normalise_rgb(batch.crops_u8)
        if config.augment.colours:
            (images,) = vary_colours(images, strength=config.augment.colours)
        heatmaps = model(images)  # (B, K, c, c)
        wanted = targets(
            batch.keypoints_px,
            batch.labelled,
            crop_px=config.net.crop_px,
            cells=heatmaps.shape[-1],
            positive_cells=config.positive_cells,
        )
        return heatmap_loss(heatmaps, wanted), {}

    return loss_of


def _validation(
    samples: PoseSamples, *, joints: JointSet, config: PoseConfig
) -> Callable[[nn.Module], dict[str, float]]:
    """`pdj@0.2`, mean over the joints (where torsos are labelled), and `pck@0.1` of the labelled extent."""
    torso_px = torso_diameters(samples.keypoints_px, samples.labelled, joints=joints)
    true = samples.keypoints_px, samples.labelled

    def validate(model: nn.Module) -> dict[str, float]:
        steps = predict_samples(model, samples, top_cells=config.top_cells, sub_cell=config.sub_cell)
        found_px, _ = run_to_end(steps, lambda _: None)
        rates = {
            "pdj@0.2": pdj(found_px, *true, torso_px=torso_px, fraction=0.2),
            "pck@0.1": pck(found_px, *true, size_px=samples.sizes_px(), fraction=0.1),
        }
        return {name: float(np.nanmean(rate)) for name, rate in rates.items() if not np.isnan(rate).all()}

    return validate
