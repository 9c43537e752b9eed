"""The end of a training job: a model folder, published once, with where it came from."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from torch import nn

from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import library_version, save_model
from pfa_store.models import ModelVersion
from workers.batch_size import reduced
from workers.left_out import noted
from workers.work import JobResult, Work


def publish_model(
    work: Work,
    module: nn.Module,
    *,
    name: str,
    config: ModelConfig,
    metrics: Mapping[str, Any],
    items_sha256: tuple[str, ...],
    parent: str | None = None,
    objective: str | None = None,
    motion_start: str | None = None,
) -> ModelVersion:
    """Save a trained network and make it the next version of `name`.

    Raises:
        LostLease: this attempt may not publish any more.
    """
    spec = work.job.request
    lineage = Lineage(
        parent=parent,
        objective=objective,
        motion_start=motion_start,
        dataset=spec.dataset,
        items_sha256=items_sha256,
        job=work.job.id,
        seed=spec.seed,
        code=library_version(),
        created=datetime.fromtimestamp(work.store.clock(), UTC).isoformat(timespec="seconds"),
    )
    folder = work.out / "model"
    manifest = save_model(folder, module, config=config, lineage=lineage, metrics=metrics)
    return work.store.models.publish(folder, name, work.job, manifest=manifest)


def already_published(work: Work) -> JobResult | None:
    """The result of an attempt that published its model and was lost before it could say so."""
    model = work.store.models.of_job(work.job.id)
    return None if model is None else model_result(work, model)


def model_result(work: Work, model: ModelVersion) -> JobResult:
    """The result document of a training job."""
    return {"model": model.ref, "metrics": dict(model.metrics), "left_out": noted(work), **reduced(work.job)}
