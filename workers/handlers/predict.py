"""A prediction job: the poses or the actions of videos, left as files; pieces of it are its checkpoints."""

from collections.abc import Generator, Sequence
from typing import Any

from pfa_core.config.video_answers import VideoPoseConfig
from pfa_core.devices import device_of, fast_in_bf16
from pfa_core.predict import ActionPredictor, Numerics, PosePredictor
from pfa_core.progress import Progress
from pfa_core.video_answers import Answered, Places, answer_actions, answer_poses
from pfa_core.video_source import FPS, VideoSource
from pfa_store.disk import disk_errors
from pfa_store.settings import Settings
from pfa_store.specs import PredictSpec
from pfa_store.store import Store
from workers.left_out import leave_out, noted
from workers.sources import SourceVideo, videos_of
from workers.work import JobResult, Work

MOST_RANGES = 100
"""Stretches of a video that the result tells; `actions.json` and `actions.csv` have all of them."""


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"model", "task", "joints", "labels", "videos": [`Answered.videos`], "left_out", "files": [name]}.

    `joints` is null of actions, `labels` of poses.
    """
    spec, store = work.job.request, work.store
    assert isinstance(spec, PredictSpec)
    model = store.models.resolve(spec.model)
    named = videos_of(store, spec)
    predictor = _predictor(spec, store)
    with disk_errors():
        answered = yield from _roomy(work, _answer(work, spec, named, predictor, model=model.ref))
    video_at = {store.videos.path(one.video): one.video for one in named}
    for left in answered.left_out:
        assert left.path is not None
        video = video_at[left.path]
        leave_out(work, video=video.id, file=left.name, code=left.code, message=left.message)
    joints = list(predictor.joints.names) if isinstance(predictor, PosePredictor) else None
    labels = list(predictor.labels) if isinstance(predictor, ActionPredictor) else None
    return {
        "model": model.ref,
        "task": spec.task,
        "joints": joints,
        "labels": labels,
        "videos": [_shortened(one) for one in answered.videos],
        "left_out": noted(work),
        "files": answered.files,
    }


def _shortened(entry: dict[str, Any]) -> dict[str, Any]:
    """The result is part of every answer about the job, so that a video of hours must not make it long."""
    if "ranges" not in entry:
        return entry
    return {**entry, "ranges": entry["ranges"][:MOST_RANGES], "num_ranges": len(entry["ranges"])}


def _predictor(spec: PredictSpec, store: Store) -> PosePredictor | ActionPredictor:
    folder = store.models.folder(store.models.resolve(spec.model))
    numerics = _numerics(store.settings)
    if spec.task == "pose":
        return PosePredictor.load(folder, numerics=numerics)
    return ActionPredictor.load(folder, numerics=numerics)


def _numerics(settings: Settings) -> Numerics:
    """The number format that the API predicts in, too."""
    if settings.numerics != "auto":
        return settings.numerics
    return "bfloat16" if fast_in_bf16(device_of()) else "float32"


def _answer(
    work: Work,
    spec: PredictSpec,
    named: Sequence[SourceVideo],
    predictor: PosePredictor | ActionPredictor,
    *,
    model: str,
) -> Generator[Progress, None, Answered]:
    """The recipe, ready to run."""
    store = work.store
    out = store.files.job_files(work.job.id, work.job.token)
    out.mkdir(parents=True, exist_ok=True)
    places = Places(work=store.files.job_checkpoints(work.job.id), out=out)
    videos = [_source(store, one) for one in named]
    config, limits = spec.resolve(), store.videos.limits
    if isinstance(config, VideoPoseConfig):
        assert isinstance(predictor, PosePredictor)
        return answer_poses(videos, predictor, config, places=places, limits=limits, model=model)
    assert isinstance(predictor, ActionPredictor)
    return answer_actions(videos, predictor, config, places=places, limits=limits, model=model)


def _roomy(work: Work, steps: Generator[Progress, None, Answered]) -> Generator[Progress, None, Answered]:
    """Between two steps, see that the reserve of the disk is untouched. Raises: DiskFull."""
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value
            work.store.files.ensure_space(0)
            yield progress
    finally:
        steps.close()


def _source(store: Store, one: SourceVideo) -> VideoSource:
    video = one.video
    return VideoSource(
        id=video.id, name=one.file, path=store.videos.path(video), num_frames=video.num_frames, fps=video.fps or FPS,
        width_px=video.width_px, height_px=video.height_px,
    )  # fmt: skip
