"""Whether a job can be done at all, asked before it is accepted. What this refuses would have failed in a worker."""

import contextlib
from collections.abc import Sequence

from api.comparable import check_compared
from api.ingest import no_usable_videos, reasons
from api.needs import need_joints
from api.schemas.videos import LeftOut
from api.uses import config_of, need_kind, need_same_backbone
from pfa_core.config.action import ActionConfig
from pfa_core.config.tables import LEARNED, RANDOM
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.config.video_answers import VideoPoseConfig
from pfa_core.errors import (
    ConfigInvalid,
    DatasetUnsuitable,
    ModelUnsuitable,
    NoUsableVideos,
    VideoTooLarge,
)
from pfa_store.collections import need_same_model
from pfa_store.datasets import Dataset, DatasetItem
from pfa_store.errors import CollectionNotFound
from pfa_store.specs import (
    EvaluateSpec,
    FinetuneSpec,
    FlowSpec,
    IndexSpec,
    PredictSpec,
    PretrainSpec,
    Spec,
    TablesSpec,
    VideosSpec,
)
from pfa_store.store import Store
from pfa_store.videos import Video

MIN_PRETRAIN_VIDEOS = 2
"""Negatives come from other videos."""


def admitted(spec: Spec, store: Store, *, left_out: Sequence[LeftOut] = ()) -> Spec:
    """The spec as it will be run: its models pinned to versions. `left_out`: files sent along that cannot be used.

    Raises:
        NotFound: a data set, video or model that it names does not exist.
        ConfigInvalid: a key or value of its configuration.
        InputError: its data set or model cannot serve the job.
    """
    match spec:
        case FlowSpec():
            spec.resolve()
            _need_videos([*left_out, *(_fault(video, 2) for video, _ in _videos(spec, store))], at_least=1)
        case PretrainSpec():
            _pretrain(spec, store, left_out)
        case FinetuneSpec():
            return _finetune(spec, store)
        case EvaluateSpec():
            _refuse_config(spec)
            return _evaluate(spec, store)
        case IndexSpec():
            _refuse_config(spec)
            return _index(spec, store)
        case TablesSpec():
            return _tables(spec, store, left_out)
        case PredictSpec():
            return _predict(spec, store)
    return spec


def _need_videos(faults: Sequence[LeftOut | None], *, at_least: int) -> None:
    """Refuse when too few videos have no fault."""
    left_out = [fault for fault in faults if fault is not None]
    num_usable = len(faults) - len(left_out)
    if num_usable == 0:
        raise no_usable_videos(left_out)
    if num_usable < at_least:
        raise NoUsableVideos(
            f"Only {num_usable} of the {len(faults)} videos can be used; at least {at_least} are needed,"
            f" because each is told apart from the others. Add more videos. {reasons(left_out)}".rstrip(),
            left_out=[entry.model_dump() for entry in left_out[:100]],
        )


def _videos(spec: VideosSpec, store: Store) -> list[tuple[Video, str | None]]:
    """The videos of a job, each once, with their split."""
    if spec.videos:
        return [(store.videos.get(video_id), None) for video_id in dict.fromkeys(spec.videos)]
    dataset = _dataset(spec, store)
    if dataset.kind != "videos":
        raise DatasetUnsuitable(f"The data set {dataset.name!r} holds images; this job needs videos.")
    splits = {item.video_id: item.split for item in store.datasets.items(dataset.id) if item.video_id is not None}
    return [(store.videos.get(video_id), split) for video_id, split in splits.items()]


def _held_out(video: Video, split: str | None) -> LeftOut | None:
    if split not in ("val", "test"):
        return None
    return LeftOut(file=video.filename, code="held_out", message=f"It is marked {split}: not learned from.")


def _fault(video: Video, needed_frames: int) -> LeftOut | None:
    if video.num_frames < needed_frames:
        return LeftOut(
            file=video.filename,
            code="video_too_short",
            message=f"It has {video.num_frames} frames; at least {needed_frames} are needed.",
        )
    if video.still:
        return LeftOut(file=video.filename, code="video_still", message="Nothing moves in it.")
    return None


def _dataset(spec: Spec, store: Store) -> Dataset:
    if spec.dataset is None:
        raise DatasetUnsuitable("The job names no data: name a `dataset`, or send `files`.")
    return store.datasets.get(spec.dataset)


def _pretrain(spec: PretrainSpec, store: Store, left_out: Sequence[LeftOut]) -> None:
    config = spec.resolve()
    if isinstance(config, UntrainedConfig):
        if spec.dataset or spec.videos:
            raise DatasetUnsuitable("The objective `random` learns from no videos: name no data and send no files.")
        return
    faults = [_held_out(video, split) or _fault(video, config.min_frames) for video, split in _videos(spec, store)]
    _need_videos([*left_out, *faults], at_least=MIN_PRETRAIN_VIDEOS)


def _finetune(spec: FinetuneSpec, store: Store) -> Spec:
    config = spec.resolve()
    dataset = _dataset(spec, store)
    items = store.datasets.items(dataset.id)
    if spec.task == "pose":
        need_joints(dataset, [item for item in items if item.split in (None, "train")])
    else:
        labels = {item.label for item in items if item.label is not None and item.split in (None, "train")}
        if len(labels) < 2:
            raise DatasetUnsuitable(
                f"The data set {dataset.name!r} has {len(labels)} action labels to learn from; at least two are needed."
                " Send labels in `annotations`, such as CSV `file,label,group,split`."
            )
    if isinstance(config, ActionConfig) and config.two_stream and dataset.kind != "videos":
        raise DatasetUnsuitable(
            f"The data set {dataset.name!r} holds images, which have no flow: leave out config.two_stream."
        )
    if spec.init == "random":
        return spec
    model = store.models.resolve(spec.init)
    need_same_backbone(config_of(model, store), config, model.ref)
    return spec.model_copy(update={"init": model.ref})


def _of_split(items: Sequence[DatasetItem], split: str) -> Sequence[DatasetItem]:
    """The items of a split; all of them where the data set has no splits."""
    if split == "all" or all(item.split is None for item in items):
        return items
    return [item for item in items if item.split == split]


def _evaluate(spec: EvaluateSpec, store: Store) -> Spec:
    model = store.models.resolve(spec.model)
    dataset = _dataset(spec, store)
    items = _of_split(store.datasets.items(dataset.id), spec.split)
    if model.kind in ("triplet", "appearance"):
        raise ModelUnsuitable(f"{model.ref} is pretrained only; evaluate a pose or an action model.")
    if not items:
        raise DatasetUnsuitable(
            f"No item of {dataset.name!r} is marked {spec.split!r}. Mark some in `annotations`, or ask for split 'all'."
        )
    config = config_of(model, store)
    if model.kind == "pose":
        need_joints(dataset, items, known=config.joints.names if config.joints else ())
    elif not {item.label for item in items} & set(config.labels):
        raise DatasetUnsuitable(
            f"No item of {dataset.name!r} has a label that {model.ref} knows: {', '.join(config.labels[:20])}."
        )
    return spec.model_copy(update={"model": model.ref})


def _index(spec: IndexSpec, store: Store) -> Spec:
    _dataset(spec, store)
    model = store.models.resolve(spec.model)
    need_kind(model, "features")
    if not spec.replace:
        with contextlib.suppress(CollectionNotFound):
            need_same_model(store.collections.get(spec.collection), model.ref)
    return spec.model_copy(update={"model": model.ref})


def _tables(spec: TablesSpec, store: Store, left_out: Sequence[LeftOut]) -> Spec:
    config = spec.resolve()
    check_compared(spec, store)
    learned = [name for name in config.initialisations if name not in (RANDOM, *spec.init)]
    unknown = sorted(set(learned) - set(LEARNED))
    if unknown:
        raise ConfigInvalid(f"config.initialisations: {', '.join(unknown)} is not known; name a model of it in `init`.")
    if "action" in learned and not spec.action:
        raise DatasetUnsuitable("The initialisation `action` learns from labelled clips: name some in `action`.")
    if set(learned) - {"action"}:
        needed = min(getattr(config, name).min_frames for name in learned if name != "action")
        faults = [_held_out(video, split) or _fault(video, needed) for video, split in _videos(spec, store)]
        _need_videos([*left_out, *faults], at_least=MIN_PRETRAIN_VIDEOS)
    models = {name: store.models.resolve(ref) for name, ref in spec.init.items()}
    for model in models.values():
        need_same_backbone(config_of(model, store), config.pose, model.ref)
    return spec.model_copy(update={"init": {name: model.ref for name, model in models.items()}})


def _predict(spec: PredictSpec, store: Store) -> Spec:
    config = spec.resolve()
    model = store.models.resolve(spec.model)
    need_kind(model, spec.task)
    step = config.frame_step if isinstance(config, VideoPoseConfig) else 1
    num_frames = sum(-(-video.num_frames // step) for video, _ in _videos(spec, store))
    most = store.settings.max_predict_frames
    if num_frames > most:
        raise VideoTooLarge(
            f"The job would look at {num_frames} frames; at most {most} are allowed. Send fewer videos"
            + (", or raise config.frame_step." if spec.task == "pose" else "."),
            value=num_frames,
            most=most,
        )
    return spec.model_copy(update={"model": model.ref})


def _refuse_config(spec: Spec) -> None:
    if spec.config:
        raise ConfigInvalid(f"This job has no configuration; config.{next(iter(spec.config))} is not known.")
