"""Train an Action ConvNet on labelled clips or images. Source: paper sections 4.3 and 4.4.

Axes: B batch, T frames, S side of a crop in px, C classes.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.checkpoint import digest_of
from pfa_core.clips import MEMORY_BYTES, ClipFrames, LabelledClip, read_clips, spaced
from pfa_core.config.action import ActionConfig
from pfa_core.engine import Goal, device_of, train
from pfa_core.errors import DatasetUnsuitable
from pfa_core.left_out import LeftOut, nothing_usable, reasons
from pfa_core.manifest import ModelConfig
from pfa_core.models import copy_backbone
from pfa_core.nets.action import ActionNet
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.progress import Progress
from pfa_core.seeds import generator, seeded
from pfa_core.splits import train_and_val
from pfa_core.video.limits import DecodeLimits

VAL_FRAMES = 5
"""Frames of each validation clip that are looked at, centre crop and mirror; tests use the paper's 250 crops."""

GOAL = Goal(figure="loss", larger_is_better=False)
"""The log loss of whole clips: a proper score of the probabilities that are served, where the accuracy of a few dozen
clips moves in coarse steps and ties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """A finetuned Action ConvNet."""

    model: ActionNet
    config: ModelConfig
    """What `save_model` needs to write it."""
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    left_out: Sequence[LeftOut]
    """Clips and images that do not read."""


@dataclass(frozen=True, slots=True)
class ActionBatch:
    """What one step learns from."""

    crops_u8: Tensor
    """(B, 3, S, S) uint8."""
    labels: Tensor
    """(B,) int64."""


def finetune_action(
    clips: Sequence[LabelledClip],
    *,
    config: ActionConfig,
    folder: Path,
    seed: int,
    init: nn.Module | None = None,
    device: str = "auto",
    limits: DecodeLimits | None = None,
) -> Generator[Progress, None, ActionResult]:
    """Train on clips of split `train` (or of none), validate on `val` or a held-out share; `test` is never looked at.

    The classes are the labels of the training clips that read, in alphabetical order; validation clips of other labels
    are not looked at.

    Args:
        clips: those that do not read are left out and named in the result.
        folder: checkpoints, metrics and event files; a run that was stopped goes on from there.
        init: the model that conv1 to conv5 (and fc6, where it has the same shape) are copied from; None: random.

    Raises:
        DatasetUnsuitable: fewer than two labels, or nothing to train on; the message has the first few reasons.
        ModelUnsuitable: the weights of `init` do not fit `config.net`, see `copy_backbone`.
        CheckpointMismatch: also when other clips read than before the run was stopped.
        TrainingDiverged: see `engine.train`.
    """
    learners, held_out = train_and_val(
        clips, seed=seed, val_fraction=config.val_fraction, labels=[clip.label for clip in clips]
    )
    labels = _classes(learners, [])
    model = _new_model(config, labels, seed=seed, init=init)  # what does not fit is refused before hours of reading
    samples, val, left_out = yield from _read(
        learners, [clip for clip in held_out if clip.label in labels], config=config, limits=limits or DecodeLimits()
    )
    if not samples:
        raise nothing_usable(left_out, num_items=len(learners))
    read_labels = _classes([sample.clip for sample in samples], left_out)
    if read_labels != labels:
        labels, model = read_labels, _new_model(config, read_labels, seed=seed, init=init)
        val = [sample for sample in val if sample.clip.label in labels]
    result = yield from train(
        model,
        batch_of=ActionBatches(samples, labels=labels, config=config, seed=seed),
        loss_of=_loss_of,
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, seed, [_identity(part) for part in (samples, val)]),
        device=device_of(device),
        seed=seed,
        validate=_validation(val, labels=labels, crop_px=config.net.crop_px) if val else None,
        parameters=_trained(model, config),
        goal=GOAL,
    )
    return ActionResult(
        model=model,
        config=action_model_config(config, labels),
        metrics=result.metrics,
        history=result.history,
        left_out=left_out,
    )


def _classes(clips: Sequence[LabelledClip], left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """The labels of the training clips, at least two. Raises: DatasetUnsuitable."""
    labels = tuple(sorted({clip.label for clip in clips}))
    if len(labels) < 2:
        raise DatasetUnsuitable(
            "Action finetuning needs at least two labels among the training items; here is only"
            f" {labels[0]!r}.{reasons(left_out)}"
        )
    return labels


def _new_model(config: ActionConfig, labels: tuple[str, ...], *, seed: int, init: nn.Module | None) -> ActionNet:
    with seeded(seed):
        model = ActionNet(config.net, len(labels))
    if init is not None:
        copy_backbone(init, model)
    return model


def _read(
    learners: Sequence[LabelledClip], held_out: Sequence[LabelledClip], *, config: ActionConfig, limits: DecodeLimits
) -> Generator[Progress, None, tuple[list[ClipFrames], list[ClipFrames], list[LeftOut]]]:
    """The frames to train on and those to validate on, which share the memory; and what does not read."""
    parts: list[list[ClipFrames]] = []
    left_out: list[LeftOut] = []
    for clips in (learners, held_out):
        share = MEMORY_BYTES * len(clips) // (len(learners) + len(held_out))
        read, unread = yield from read_clips(
            clips, short_side_px=config.short_side_px, limits=limits, memory_bytes=share
        )
        parts.append(read)
        left_out += unread
    return parts[0], parts[1], left_out


def _identity(samples: Sequence[ClipFrames]) -> list[tuple[str, str]]:
    return [(sample.clip.name, sample.clip.label) for sample in samples]


def action_model_config(config: ActionConfig, labels: tuple[str, ...]) -> ModelConfig:
    """How a model folder describes an Action ConvNet."""
    return ModelConfig(kind="action", net=config.net, labels=labels, settings=asdict(config))


class ActionBatches:
    """The batches of a run: random crops of random frames of random clips, a pure function of (clips, seed, step)."""

    def __init__(
        self, clips: Sequence[ClipFrames], *, labels: tuple[str, ...], config: ActionConfig, seed: int
    ) -> None:
        self._clips = clips
        self._labels = np.array([labels.index(clip.clip.label) for clip in clips])
        self._config = config
        self._seed = seed

    def __call__(self, step: int) -> ActionBatch:
        """The batch of step 0, 1, ..."""
        rng = generator(self._seed, 2, step)
        side = self._config.net.crop_px
        chosen = rng.integers(len(self._clips), size=self._config.learn.batch_size)
        crops_u8 = np.empty((len(chosen), side, side, 3), dtype=np.uint8)
        for row, place in enumerate(chosen):
            frames = self._clips[place].frames_u8  # (T, H, W, 3)
            top, left = rng.integers(frames.shape[1] - side + 1), rng.integers(frames.shape[2] - side + 1)
            crop = frames[rng.integers(len(frames)), top : top + side, left : left + side]
            mirrored = self._config.flip and rng.random() < 0.5
            crops_u8[row] = crop[:, ::-1] if mirrored else crop
        return ActionBatch(torch.from_numpy(crops_u8).permute(0, 3, 1, 2), torch.from_numpy(self._labels[chosen]))


def _loss_of(model: nn.Module, batch: ActionBatch) -> tuple[Tensor, dict[str, Tensor]]:
    scores = model(normalise_rgb(batch.crops_u8)).float()  # (B, C)
    right = (scores.argmax(dim=1) == batch.labels).float().mean()
    return functional.cross_entropy(scores, batch.labels), {"accuracy": right.detach()}


def _trained(model: ActionNet, config: ActionConfig) -> list[nn.Parameter] | None:
    """The parameters that `layers` says; None is all."""
    if config.layers == "full":
        return None
    return [parameter for layer in model.new_layers() for parameter in layer.parameters()]


def _validation(
    clips: Sequence[ClipFrames], *, labels: tuple[str, ...], crop_px: int
) -> Callable[[nn.Module], dict[str, float]]:
    """`accuracy` and `loss` of whole clips by VAL_FRAMES frames each, centre crops and their mirrors averaged."""
    true = torch.tensor([labels.index(clip.clip.label) for clip in clips])
    crops = [_centres(clip.frames_u8[spaced(len(clip.frames_u8), VAL_FRAMES)], crop_px=crop_px) for clip in clips]

    def validate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        probabilities = torch.stack(
            [model(normalise_rgb(images.to(device))).float().softmax(dim=1).mean(dim=0).cpu() for images in crops]
        )  # (N, C)
        right = (probabilities.argmax(dim=1) == true).float().mean()
        loss = functional.nll_loss(probabilities.clamp(min=1e-12).log(), true)
        return {"accuracy": float(right), "loss": float(loss)}

    return validate


def _centres(frames_u8: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, crop_px: int) -> Tensor:
    """(T, H, W, 3) -> (2 T, 3, crop_px, crop_px) uint8: centre crops, then their mirrors."""
    top, left = (frames_u8.shape[1] - crop_px) // 2, (frames_u8.shape[2] - crop_px) // 2
    centres = frames_u8[:, top : top + crop_px, left : left + crop_px]
    both = np.concatenate([centres, centres[:, :, ::-1]])
    return torch.from_numpy(np.ascontiguousarray(both)).permute(0, 3, 1, 2)
