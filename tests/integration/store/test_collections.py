"""Collections: what they hold while a job fills them, and after it failed."""

from pathlib import Path

import pytest

from pfa_store.errors import CollectionNotFound, InUse, LostLease, NameTaken
from pfa_store.job_record import Job
from pfa_store.specs import IndexSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock


def index_job(store: Store) -> Job:
    job = store.jobs.add("index", IndexSpec(collection="poses", model="m", dataset="d"))
    held = store.jobs.claim(job.id, "worker")
    assert held is not None
    return held


def index_folder(store: Store, content: str) -> Path:
    folder = store.files.root / "tmp" / content
    folder.mkdir()
    (folder / "features.faiss").write_text(content)
    return folder


def fill(store: Store, job: Job, content: str) -> None:
    store.collections.publish(index_folder(store, content), "poses", job, model="m@1", dataset_id="ds_1", num_items=3)


def test_a_collection_is_made_empty(store: Store) -> None:
    made = store.collections.create("poses", "m@1")
    assert (made.status, made.num_items, store.collections.folder(made)) == ("empty", 0, None)
    assert store.collections.get("poses") == made
    assert store.collections.list() == (made,)
    with pytest.raises(NameTaken):
        store.collections.create("poses", "m@2")


def test_a_job_fills_it(store: Store) -> None:
    job = index_job(store)
    assert store.collections.begin("poses", model="m@1", job=job).status == "building"
    fill(store, job, "first")
    held = store.collections.get("poses")
    assert (held.status, held.num_items, held.model, held.dataset_id, held.job_id) == (
        "ready", 3, "m@1", "ds_1", job.id,
    )  # fmt: skip
    folder = store.collections.folder(held)
    assert folder is not None
    assert (folder / "features.faiss").read_text() == "first"


def test_it_answers_while_it_is_filled_again(store: Store) -> None:
    first = index_job(store)
    store.collections.begin("poses", model="m@1", job=first)
    fill(store, first, "first")
    store.jobs.succeed(first, {})
    old = store.collections.folder(store.collections.get("poses"))
    second = index_job(store)
    assert store.collections.begin("poses", model="m@1", job=second).status == "ready"
    fill(store, second, "second")
    new = store.collections.folder(store.collections.get("poses"))
    assert old is not None
    assert new is not None
    assert (new / "features.faiss").read_text() == "second"
    assert not old.exists()


def test_a_failed_job_leaves_it_failed(store: Store) -> None:
    job = index_job(store)
    store.collections.begin("poses", model="m@1", job=job)
    store.jobs.fail(job, "internal", "")
    assert store.collections.get("poses").status == "failed"


def test_a_zombie_fills_nothing(store: Store, clock: Clock) -> None:
    job = index_job(store)
    store.collections.begin("poses", model="m@1", job=job)
    clock.pass_s(61)
    store.jobs.reap(clock())
    with pytest.raises(LostLease):
        fill(store, job, "late")
    assert store.collections.get("poses").num_items == 0


def test_it_is_deleted_when_no_job_fills_it(store: Store) -> None:
    job = index_job(store)
    store.collections.begin("poses", model="m@1", job=job)
    fill(store, job, "first")
    with pytest.raises(InUse):
        store.collections.delete("poses")
    store.jobs.succeed(job, {})
    store.collections.delete("poses")
    assert not store.files.collection("poses").exists()
    with pytest.raises(CollectionNotFound):
        store.collections.get("poses")
    with pytest.raises(CollectionNotFound):
        store.collections.delete("poses")
