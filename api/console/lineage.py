"""Where a model came from, step by step back to the data sets, as far as the store still knows."""

from dataclasses import dataclass

from pfa_store.datasets import Dataset
from pfa_store.errors import DatasetNotFound, JobNotFound, ModelNotFound
from pfa_store.job_record import Job
from pfa_store.models import ModelVersion
from pfa_store.store import Store

MAX_STEPS = 20
"""Models in a row that are followed back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A model, and what it was made of."""

    ref: str
    """`name@version`."""
    model: ModelVersion | None
    """None: it was deleted, or never was here."""
    job_id: str | None
    job: Job | None
    dataset_name: str | None
    dataset: Dataset | None
    num_items: int
    """Videos or images that it learned from."""
    seed: int | None
    parent: "Origin | None"
    """The model that it began as; None: random weights, or unknown."""


def origin_of(model: ModelVersion, store: Store, *, steps: int = MAX_STEPS) -> Origin:
    """Follow a model back."""
    lineage = model.lineage
    parent_ref = lineage.get("parent")
    job_id = model.job_id or lineage.get("job")
    dataset_name = lineage.get("dataset")
    return Origin(
        ref=model.ref,
        model=model,
        job_id=job_id,
        job=_job(store, job_id),
        dataset_name=dataset_name,
        dataset=_dataset(store, dataset_name),
        num_items=len(lineage.get("items_sha256") or ()),
        seed=lineage.get("seed"),
        parent=_parent(store, parent_ref, steps=steps - 1) if parent_ref and steps > 1 else None,
    )


def _parent(store: Store, ref: str, *, steps: int) -> Origin:
    try:
        return origin_of(store.models.resolve(ref), store, steps=steps)
    except ModelNotFound:
        return Origin(
            ref=ref, model=None, job_id=None, job=None, dataset_name=None, dataset=None, num_items=0, seed=None,
            parent=None,
        )  # fmt: skip


def _job(store: Store, job_id: str | None) -> Job | None:
    try:
        return store.jobs.get(job_id) if job_id else None
    except JobNotFound:
        return None


def _dataset(store: Store, name: str | None) -> Dataset | None:
    try:
        return store.datasets.get(name) if name else None
    except DatasetNotFound:
        return None
