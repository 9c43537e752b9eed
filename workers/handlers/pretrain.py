"""A pretraining job: missing packs first, then the recipe, then the model."""

from collections.abc import Generator
from dataclasses import asdict

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.manifest import ModelConfig
from pfa_core.pretrain import PretrainVideo, pretrain
from pfa_core.progress import Progress
from pfa_store.specs import PretrainSpec
from workers.flow_packs import packs_of
from workers.left_out import leave_out
from workers.publishing import already_published, model_result, publish_model
from workers.sources import videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"model": "name@version", "metrics": {...}, "left_out": [...]}."""
    published = already_published(work)
    if published is not None:
        return published
    spec = work.job.request
    assert isinstance(spec, PretrainSpec)
    config = spec.resolve()
    sources = videos_of(work.store, spec)
    packs, left_out = yield from packs_of(work, sources, config.pack)
    usable = {f"{source.file} ({source.video.id})": source for source in sources if source.video.id in packs}
    videos = [
        PretrainVideo(name=name, group=source.group, split=source.split, pack=packs[source.video.id])
        for name, source in usable.items()
    ]
    trained = yield from pretrain(videos, config=config, folder=work.folder, seed=spec.seed)
    left_out += [
        leave_out(work, video=usable[one.name].video.id, file=usable[one.name].file, code=one.code, message=one.message)
        for one in trained.left_out
    ]
    unused = {entry.video for entry in left_out}
    model = publish_model(
        work,
        trained.model,
        name=spec.name,
        config=triplet_model_config(config),
        metrics=trained.metrics,
        items_sha256=tuple(sorted(pack.video_sha256 for name, pack in packs.items() if name not in unused)),
    )
    return model_result(work, model)


def triplet_model_config(config: PretrainConfig) -> ModelConfig:
    """How a model folder describes the joint net."""
    return ModelConfig(kind="triplet", net=config.net, flow_maps=2 * config.gap_frames, settings=asdict(config))
