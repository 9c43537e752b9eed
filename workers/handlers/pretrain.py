"""A pretraining job: missing packs first, then the recipe of its objective, then the model."""

from collections.abc import Generator

from pfa_core.config.untrained import UntrainedConfig
from pfa_core.objectives import VideosConfig, learn_objective, pretrained_model_config
from pfa_core.pretrain import PretrainVideo
from pfa_core.progress import Progress
from pfa_core.untrained import untrained
from pfa_store.specs import PretrainSpec
from workers.batch_size import pretrain_config
from workers.flow_packs import packs_of
from workers.left_out import leave_out
from workers.publishing import already_published, model_result, publish_model
from workers.sources import videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"model": "name@version", "metrics": {...}, "left_out": [...]}; `batch_size` where it was halved."""
    published = already_published(work)
    if published is not None:
        return published
    spec = work.job.request
    assert isinstance(spec, PretrainSpec)
    config = pretrain_config(work.job)
    if isinstance(config, UntrainedConfig):
        yield Progress(phase="train", step=0, total=0)
        return _publish_untrained(work, spec, config)
    return (yield from _learn(work, spec, config))


def _publish_untrained(work: Work, spec: PretrainSpec, config: UntrainedConfig) -> JobResult:
    model = publish_model(
        work,
        untrained(config, seed=spec.seed),
        name=spec.name,
        config=pretrained_model_config(config),
        metrics={},
        items_sha256=(),
        objective=spec.objective,
    )
    return model_result(work, model)


def _learn(work: Work, spec: PretrainSpec, config: VideosConfig) -> Generator[Progress, None, JobResult]:
    sources = videos_of(work.store, spec)
    packs, left_out = yield from packs_of(work, sources, config.pack)
    usable = {f"{source.file} ({source.video.id})": source for source in sources if source.video.id in packs}
    videos = [
        PretrainVideo(name=name, group=source.group, split=source.split, pack=packs[source.video.id])
        for name, source in usable.items()
    ]
    trained = yield from learn_objective(videos, config=config, folder=work.folder, seed=spec.seed)
    left_out += [
        leave_out(work, video=usable[one.name].video.id, file=usable[one.name].file, code=one.code, message=one.message)
        for one in trained.left_out
    ]
    unused = {entry.video for entry in left_out}
    model = publish_model(
        work,
        trained.model,
        name=spec.name,
        config=pretrained_model_config(config),
        metrics=trained.metrics,
        items_sha256=tuple(sorted(pack.video_sha256 for name, pack in packs.items() if name not in unused)),
        objective=spec.objective,
    )
    return model_result(work, model)
