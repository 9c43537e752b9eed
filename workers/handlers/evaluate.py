"""An evaluation job: score a pose or action model on the items of a data set, and leave tables and pictures of it."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import TypeVar

from torch import nn

from pfa_core.clips import LabelledClip
from pfa_core.devices import device_of
from pfa_core.errors import DatasetUnsuitable, ModelUnsuitable
from pfa_core.evaluate import Evaluation, evaluate_action, evaluate_pose
from pfa_core.evaluation_files import evaluation_files
from pfa_core.manifest import ModelConfig
from pfa_core.models import library_version, load_model
from pfa_core.people import Person
from pfa_core.progress import Progress
from pfa_store.datasets import Dataset
from pfa_store.specs import EvaluateSpec
from workers.left_out import leave_out_items, noted
from workers.sources import clips_of, dataset_of, people_of
from workers.work import JobResult, Work

Item = TypeVar("Item", Person, LabelledClip)


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"model": "name@version", "dataset": {"id", "name"}, "split", "metrics", "left_out", "files": [name]}."""
    spec = work.job.request
    assert isinstance(spec, EvaluateSpec)
    model = work.store.models.resolve(spec.model)
    module, manifest = load_model(work.store.models.folder(model), device=device_of())
    dataset = dataset_of(work.store, spec)
    found = yield from _score(work, dataset, module, manifest.config)
    leave_out_items(work, dataset, found.left_out)
    about = {
        "model": model.ref,
        "dataset": {"id": dataset.id, "name": dataset.name},
        "split": spec.split,
        "left_out": noted(work),
    }
    files = evaluation_files(found.scored, about=about | _made(work))
    for name, content in files.items():
        work.leave_file(name, content)
    return {**about, "metrics": found.metrics, "files": list(files)}


def _made(work: Work) -> dict[str, str]:
    """By which job, which code, and when."""
    now = datetime.fromtimestamp(work.store.clock(), UTC)
    return {"job": work.job.id, "code": library_version(), "created": now.isoformat(timespec="seconds")}


def _score(
    work: Work, dataset: Dataset, module: nn.Module, config: ModelConfig
) -> Generator[Progress, None, Evaluation]:
    spec = work.job.request
    assert isinstance(spec, EvaluateSpec)
    match config.kind:
        case "pose":
            _, people = people_of(work.store, dataset)
            return (yield from evaluate_pose(module, config, _of_split(people, spec), seed=spec.seed))
        case "action":
            clips = _of_split(clips_of(work.store, dataset), spec)
            limits = work.store.videos.limits
            return (yield from evaluate_action(module, config, clips, limits=limits, seed=spec.seed))
    raise ModelUnsuitable(f"Pose and action models can be evaluated; {spec.model} is of kind {config.kind!r}.")


def _of_split(items: list[Item], spec: EvaluateSpec) -> list[Item]:
    """The items of the split that is asked for; all of them where the data set has no splits.

    Raises:
        DatasetUnsuitable: the data set has splits, and nothing is in this one.
    """
    if spec.split == "all" or all(item.split is None for item in items):
        return items
    chosen = [item for item in items if item.split == spec.split]
    if not chosen:
        raise DatasetUnsuitable(f"No labelled item of the data set is in the split {spec.split!r}.")
    return chosen
