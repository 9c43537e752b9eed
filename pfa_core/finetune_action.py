"""Train an Action ConvNet on labelled clips or images. Source: paper sections 4.3 and 4.4.

With `two_stream`, a Motion ConvNet beside it learns the same classes from flow: beyond the paper, see
docs/decisions/0012-two-streams.md.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from pfa_core.action_batches import MotionClips, batches_of
from pfa_core.action_loss import loss_of
from pfa_core.action_validation import Validation
from pfa_core.checkpoint import digest_of
from pfa_core.clips import MEMORY_BYTES, ClipFrames, LabelledClip, read_clips
from pfa_core.config.action import ActionConfig
from pfa_core.engine import Goal, device_of, train
from pfa_core.errors import ConfigInvalid, DatasetUnsuitable
from pfa_core.frame_store import Clip
from pfa_core.left_out import LeftOut, nothing_usable, reasons
from pfa_core.manifest import ModelConfig
from pfa_core.memory import free_bytes
from pfa_core.models import build, copy_backbone, copy_motion
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.prefetch import ONE_AHEAD, plan
from pfa_core.progress import Progress
from pfa_core.seeds import seeded
from pfa_core.splits import train_and_val
from pfa_core.video.limits import DecodeLimits

GOAL = Goal(figure="loss", larger_is_better=False)
"""The log loss of whole clips: a proper score of the probabilities that are served, where the accuracy of a few dozen
clips moves in coarse steps and ties."""

Start = Literal["pretrained", "random"]
Net = ActionNet | TwoStreamNet


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """A finetuned Action ConvNet, or two streams."""

    model: Net
    config: ModelConfig
    """What `save_model` needs to write it."""
    metrics: Mapping[str, float]
    """See `action_validation.Validation`, and `engine.TrainResult`."""
    history: Sequence[Mapping[str, float]]
    left_out: Sequence[LeftOut]
    """Clips and images that do not read."""
    motion_start: Start | None
    """What the motion stream began as: the Motion ConvNet of `init`, where it has one, or random weights; None without
    such a stream."""


def finetune_action(
    clips: Sequence[LabelledClip],
    *,
    config: ActionConfig,
    folder: Path,
    seed: int,
    init: nn.Module | None = None,
    device: str = "auto",
    limits: DecodeLimits | None = None,
    packs: Mapping[Path, Clip] | None = None,
    cache_bytes: int | None = None,
) -> Generator[Progress, None, ActionResult]:
    """Train on clips of split `train` (or of none), validate on `val` or a held-out share; `test` is never looked at.

    The classes are the labels of the training clips that read, in alphabetical order; validation clips of other labels
    are not looked at.

    Args:
        clips: those that do not read are left out and named in the result.
        folder: checkpoints, metrics and event files; a run that was stopped goes on from there.
        init: the model that conv1 to conv5 (and fc6, where it has the same shape) are copied from; None: random.
        packs: by `LabelledClip.path`, for `config.two_stream`: `clip_packs.packs_of_clips` makes them. The motion
            stream learns from those of at least `config.motion.min_frames` frames.
        cache_bytes: their flow is kept in memory up to this size; None takes half of what is free on the device.

    Raises:
        DatasetUnsuitable: fewer than two labels, or nothing to train on, or, with two streams, an image, or fewer than
            two labels among clips with motion; the message has the first few reasons.
        ModelUnsuitable: the weights of `init` do not fit `config.net`, see `copy_backbone` and `copy_motion`.
        ConfigInvalid: two streams without packs, or with packs of another configuration than `config.motion.pack`.
        CheckpointMismatch: also when other clips read than before the run was stopped.
        TrainingDiverged: see `engine.train`.
    """
    learners, held_out = train_and_val(
        clips, seed=seed, val_fraction=config.val_fraction, labels=[clip.label for clip in clips]
    )
    if config.two_stream:
        need_videos([*learners, *held_out])
        if packs is None:
            raise ConfigInvalid("A model of two streams learns from packs: give them, or leave out two_stream.")
    labels = _classes(learners, [])
    model, start = _new_model(config, labels, seed=seed, init=init)  # refuses what does not fit before hours of reading
    samples, val, left_out = yield from _read(
        learners, [clip for clip in held_out if clip.label in labels], config=config, limits=limits or DecodeLimits()
    )
    if not samples:
        raise nothing_usable(left_out, num_items=len(learners))
    read_labels = _classes([sample.clip for sample in samples], left_out)
    if read_labels != labels:
        labels, (model, start) = read_labels, _new_model(config, read_labels, seed=seed, init=init)
        val = [sample for sample in val if sample.clip.label in labels]
    motion = seen = None
    if config.two_stream:
        both, motion = yield from _motion(
            samples, val, packs or {}, config=config, cache_bytes=cache_bytes, device=device
        )
        seen = both.among(sample.clip for sample in val)
    result = yield from train(
        model,
        batch_of=batches_of(samples, motion, labels=labels, config=config, seed=seed),
        loss_of=loss_of(config),
        learn=config.learn,
        folder=folder,
        config_sha256=digest_of(config, seed, [_identity(part) for part in (samples, val)], _with_motion(motion)),
        device=device_of(device),
        seed=seed,
        validate=Validation(val, labels=labels, config=config, motion=seen) if val else None,
        parameters=_trained(model, config),
        goal=GOAL,
        prefetch=ONE_AHEAD if motion is None else plan(in_memory=motion.store.all_in_memory),
    )
    return ActionResult(
        model=model,
        config=action_model_config(config, labels),
        metrics=result.metrics,
        history=result.history,
        left_out=left_out,
        motion_start=start,
    )


def need_videos(clips: Sequence[LabelledClip]) -> None:
    """Refuse images, for a model of two streams. Raises: DatasetUnsuitable."""
    still = next((clip.name for clip in clips if clip.still), None)
    if still is not None:
        raise DatasetUnsuitable(
            f"A model of two streams learns from videos: {still} is an image, which has no flow. Leave out two_stream."
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


def _new_model(
    config: ActionConfig, labels: tuple[str, ...], *, seed: int, init: nn.Module | None
) -> tuple[Net, Start | None]:
    """Fresh weights but for those that `init` has, and what the motion stream begins as."""
    start: Start | None = None
    with seeded(seed):
        model = build(action_model_config(config, labels))
    assert isinstance(model, Net)
    if init is not None:
        copy_backbone(init, model)
    if config.two_stream:
        start = "pretrained" if init is not None and copy_motion(init, model) else "random"
    return model, start


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


def _motion(
    samples: Sequence[ClipFrames],
    val: Sequence[ClipFrames],
    packs: Mapping[Path, Clip],
    *,
    config: ActionConfig,
    cache_bytes: int | None,
    device: str,
) -> Generator[Progress, None, tuple[MotionClips, MotionClips]]:
    """The flow of all clips, and of those to train on alone.

    Raises:
        DatasetUnsuitable: fewer than two labels have clips that are long enough to train on.
    """
    place = device_of(device)
    room = free_bytes(place) // 2 if cache_bytes is None else cache_bytes
    clips = [sample.clip for sample in [*samples, *val]]
    both = MotionClips.of(clips, packs, config=config, cache_bytes=room, device=place)
    learned = both.among(sample.clip for sample in samples)
    if len({clip.label for clip in learned.clips}) < 2:
        raise DatasetUnsuitable(
            "A model of two streams needs training clips of at least two labels that have"
            f" {config.motion.min_frames} frames or more. Send longer clips, or leave out two_stream."
        )
    yield from both.load()
    return both, learned


def _identity(samples: Sequence[ClipFrames]) -> list[tuple[str, str]]:
    return [(sample.clip.name, sample.clip.label) for sample in samples]


def _with_motion(motion: MotionClips | None) -> list[str] | None:
    """Which clips the motion stream learns from: whether a pack was to be had may change between two attempts."""
    return None if motion is None else [clip.name for clip in motion.clips]


def action_model_config(config: ActionConfig, labels: tuple[str, ...]) -> ModelConfig:
    """How a model folder describes an Action ConvNet, or two streams."""
    return ModelConfig(
        kind="action",
        net=config.net,
        labels=labels,
        flow_maps=2 * config.motion.gap_frames,
        two_stream=config.two_stream,
        settings=asdict(config),
    )


def _trained(model: Net, config: ActionConfig) -> list[nn.Parameter] | None:
    """The parameters that `layers` says; None is all."""
    if config.layers == "full":
        return None
    return [parameter for layer in model.new_layers() for parameter in layer.parameters()]
