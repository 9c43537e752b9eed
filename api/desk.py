"""Where jobs are handed in: twice the same is one job, the impossible is refused, files become a data set."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.admission import admitted
from api.errors import RequestInvalid
from api.ingest import make_dataset, new_name
from api.multipart import ReceivedForm
from api.schemas.videos import LeftOut
from pfa_core.errors import PfaError
from pfa_store.idempotency import Once
from pfa_store.job_record import Job
from pfa_store.specs import JobKind, Spec, VideosSpec
from pfa_store.store import Store


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
        return store.jobs.get(earlier)
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
    )
    store.queue.ring(job)
    return job


def _once(order: Order) -> Once | None:
    if order.idempotency_key is None:
        return None
    if not 1 <= len(order.idempotency_key) <= 255:
        raise RequestInvalid("An Idempotency-Key has 1 to 255 characters.")
    return Once(
        key_id=order.key_id or "anonymous",
        idempotency_key=order.idempotency_key,
        body_sha256=_fingerprint(order),
    )


def _fingerprint(order: Order) -> str:
    """sha256 of everything that decides what the job does."""
    digest = hashlib.sha256()
    spec = json.dumps(order.spec.model_dump(mode="json"), sort_keys=True)
    digest.update(f"{order.kind}\n{spec}\n".encode())
    for file in order.form.files if order.form else ():
        digest.update(f"{file.field}\n{file.filename}\n{file.num_bytes}\n".encode())
        for chunk in _chunks(file.path):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(2**20), b"")
