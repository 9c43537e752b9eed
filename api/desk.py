"""Where jobs are handed in: twice the same is one job, the impossible is refused, files become a data set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from api.admission import admitted
from api.errors import RequestInvalid
from api.form import ReceivedForm
from api.ingest import make_dataset, new_name
from api.repeats import once_of
from api.schemas.videos import LeftOut
from pfa_core.errors import PfaError
from pfa_store.idempotency import Once
from pfa_store.job_origin import origin_here
from pfa_store.job_record import Job
from pfa_store.specs import JobKind, Spec, VideosSpec
from pfa_store.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for a job, as it came in."""

    kind: JobKind
    spec: Spec
    form: ReceivedForm | None
    """Files to make the data set of; None where the spec names data."""
    key_id: str | None
    idempotency_key: str | None


def place(order: Order, store: Store) -> Job:
    """Record the job and ring; a request that was placed before gives the job that it made then.

    Raises:
        IdempotencyConflict: its key was used for another request.
        PfaError: what `admitted` and `make_dataset` refuse.
    """
    once = _once(order)
    if once is not None and (earlier := store.idempotency.find(once)) is not None:
        return store.jobs.get(earlier["id"])
    if order.form is None:
        return _add(order, order.spec, store, once, left_out=())
    return _with_files(order, order.form, store, once)


def _with_files(order: Order, form: ReceivedForm, store: Store, once: Once | None) -> Job:
    """Make the data set first; where the job is refused, the data set goes again (its videos stay)."""
    if order.spec.dataset or (isinstance(order.spec, VideosSpec) and order.spec.videos):
        raise RequestInvalid("Name a dataset or videos in `config`, or send `files`; not both.")
    name = new_name(str(getattr(order.spec, "name", order.kind)))
    made = make_dataset(store, form, name=name, key_id=order.key_id)
    dataset = made.dataset
    try:
        job = _add(order, order.spec.model_copy(update={"dataset": dataset.id}), store, once, left_out=made.left_out)
    except PfaError:
        store.datasets.delete(dataset.id)
        raise
    if job.spec["dataset"] != dataset.id:  # the same request came in beside this one and was first
        store.datasets.delete(dataset.id)
    return job


def _add(order: Order, spec: Spec, store: Store, once: Once | None, *, left_out: Sequence[LeftOut] = ()) -> Job:
    """Record the job; files that came with it and cannot be used are its first events."""
    job = store.jobs.add(
        order.kind,
        admitted(spec, store, left_out=left_out),
        key_id=order.key_id,
        once=once,
        left_out=[{"video": None, **entry.model_dump()} for entry in left_out],
        origin=origin_here(),
    )
    logger.info("job %s (%s) was made", job.id, job.kind, extra={"fields": {"job_id": job.id, "kind": job.kind}})
    store.queue.ring(job)
    return job


def _once(order: Order) -> Once | None:
    return once_of(
        order.idempotency_key,
        route=f"/jobs/{order.kind}",
        key_id=order.key_id,
        document=order.spec.model_dump(mode="json"),
        form=order.form,
    )
