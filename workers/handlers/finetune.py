"""A finetuning job: a pose or an action model from labels and, if asked, a pretrained start."""

from collections.abc import Generator

from torch import nn

from pfa_core.config.action import ActionConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.finetune_action import ActionResult, finetune_action
from pfa_core.finetune_pose import PoseResult, finetune_pose
from pfa_core.models import load_model
from pfa_core.progress import Progress
from pfa_store.specs import FinetuneSpec
from workers.batch_size import finetune_config
from workers.left_out import leave_out_items
from workers.publishing import already_published, model_result, publish_model
from workers.sources import clips_of, contents, dataset_of, people_of
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
    trained = yield from _train(work, spec, init)
    leave_out_items(work, dataset, trained.left_out)
    model = publish_model(
        work,
        trained.model,
        name=spec.name,
        config=trained.config,
        metrics=trained.metrics,
        items_sha256=contents(work.store, dataset, left_out=trained.left_out),
        parent=parent,
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
) -> Generator[Progress, None, PoseResult | ActionResult]:
    dataset, config = dataset_of(work.store, spec), finetune_config(work.job)
    if isinstance(config, PoseConfig):
        joints, people = people_of(work.store, dataset)
        return (
            yield from finetune_pose(
                people, joints=joints, config=config, folder=work.folder, seed=spec.seed, init=init
            )
        )
    assert isinstance(config, ActionConfig)
    return (
        yield from finetune_action(
            clips_of(work.store, dataset),
            config=config,
            folder=work.folder,
            seed=spec.seed,
            init=init,
            limits=work.store.videos.limits,
        )
    )
