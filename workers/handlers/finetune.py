"""A finetuning job: a pose or an action model from labels and, if asked, a pretrained start."""

from collections.abc import Generator
from pathlib import Path

from torch import nn

from pfa_core.config.action import ActionConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.finetune_action import ActionResult, finetune_action, need_videos
from pfa_core.finetune_pose import PoseResult, finetune_pose
from pfa_core.left_out import LeftOut
from pfa_core.models import load_model
from pfa_core.packs import Pack
from pfa_core.progress import Progress
from pfa_store.specs import FinetuneSpec
from workers.batch_size import finetune_config
from workers.flow_packs import packs_of
from workers.left_out import leave_out_items
from workers.publishing import already_published, model_result, publish_model
from workers.sources import clips_of, contents, dataset_of, people_of, videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"model": "name@version", "metrics": {...}, "left_out": [...]}; `batch_size` where it was halved."""
    published = already_published(work)
    if published is not None:
        return published
    spec = work.job.request
    assert isinstance(spec, FinetuneSpec)
    dataset = dataset_of(work.store, spec)
    parent, init = _start(work, spec)
    trained, unpacked = yield from _train(work, spec, init)
    leave_out_items(work, dataset, trained.left_out)
    model = publish_model(
        work,
        trained.model,
        name=spec.name,
        config=trained.config,
        metrics=trained.metrics,
        items_sha256=contents(work.store, dataset, left_out=[*trained.left_out, *unpacked]),
        parent=parent,
        motion_start=trained.motion_start if isinstance(trained, ActionResult) else None,
    )
    return model_result(work, model)


def _start(work: Work, spec: FinetuneSpec) -> tuple[str | None, nn.Module | None]:
    """The model to start from and its `name@version`."""
    if spec.init == "random":
        return None, None
    parent = work.store.models.resolve(spec.init)
    module, _ = load_model(work.store.models.folder(parent))
    return parent.ref, module


def _train(
    work: Work, spec: FinetuneSpec, init: nn.Module | None
) -> Generator[Progress, None, tuple[PoseResult | ActionResult, list[LeftOut]]]:
    """What was trained, and the videos that could not be used for want of a pack."""
    dataset, config = dataset_of(work.store, spec), finetune_config(work.job)
    if isinstance(config, PoseConfig):
        joints, people = people_of(work.store, dataset)
        posed = yield from finetune_pose(
            people, joints=joints, config=config, folder=work.folder, seed=spec.seed, init=init
        )
        return posed, []
    assert isinstance(config, ActionConfig)
    clips = clips_of(work.store, dataset)
    packs: dict[Path, Pack] | None = None
    unpacked: list[LeftOut] = []
    if config.two_stream:
        need_videos(clips)
        packs, unpacked = yield from _packs(work, spec, config)
        unused = {one.path for one in unpacked}
        clips = [clip for clip in clips if clip.path not in unused]
    trained = yield from finetune_action(
        clips,
        config=config,
        folder=work.folder,
        seed=spec.seed,
        init=init,
        limits=work.store.videos.limits,
        packs=packs,
    )
    return trained, unpacked


def _packs(
    work: Work, spec: FinetuneSpec, config: ActionConfig
) -> Generator[Progress, None, tuple[dict[Path, Pack], list[LeftOut]]]:
    """By the path of a video, its pack, made where it is missing; and those that have none, which the job knows."""
    sources = videos_of(work.store, spec)
    packs, left_out = yield from packs_of(work, sources, config.motion.pack)
    path_of = {source.video.id: work.store.videos.path(source.video) for source in sources}
    unpacked = [
        LeftOut(name=one.file, code=one.code, message=one.message, path=path_of[one.video])
        for one in left_out
        if one.video is not None
    ]
    return {path_of[video]: pack for video, pack in packs.items()}, unpacked
