"""Collections: what they hold while a job fills them, and after it failed."""

import numpy as np
import pytest

from pfa_core.errors import ItemNotFound, ModelUnsuitable
from pfa_core.gallery_item import GalleryItem, ItemFilter
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.retrieval import GalleryIndex
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


def fill(store: Store, job: Job, content: str, *, replace: bool = False) -> None:
    """Three items whose source is `content`."""
    items = [GalleryItem(source=content, frame=n) for n in range(3)]
    with SegmentWriter(store.files.root / "tmp" / job.id, num_features=4) as writer:
        writer.add(np.eye(3, 4, dtype=np.float32), items, [b"", b"", b""])
        store.collections.publish(writer, "poses", job, model="m@1", dataset_id="ds_1", num_features=4, replace=replace)


def sources(store: Store) -> list[str]:
    folder = store.collections.folder(store.collections.get("poses"))
    assert folder is not None
    return [item.source for _, item in GalleryIndex.load(folder, verify=True).page(after=-1, limit=100)]


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
    assert sources(store) == ["first"] * 3


def test_it_answers_while_more_is_added(store: Store) -> None:
    first = index_job(store)
    store.collections.begin("poses", model="m@1", job=first)
    assert store.collections.holds("poses", first) is None
    fill(store, first, "first")
    assert store.collections.holds("poses", first) == store.collections.get("poses")
    store.jobs.succeed(first, {})
    second = index_job(store)
    assert store.collections.begin("poses", model="m@1", job=second).status == "ready"
    assert sources(store) == ["first"] * 3
    fill(store, second, "second")
    assert store.collections.get("poses").num_items == 6
    assert sources(store) == ["first"] * 3 + ["second"] * 3
    store.jobs.succeed(second, {})
    third = index_job(store)
    store.collections.begin("poses", model="m@1", job=third, replace=True)
    fill(store, third, "third", replace=True)
    fill(store, third, "third", replace=True)  # as a second attempt of the same job would
    assert (sources(store), store.collections.get("poses").num_items) == (["third"] * 3, 3)


def test_features_of_another_model_are_refused(store: Store) -> None:
    store.collections.create("poses", "m@1")
    job = index_job(store)
    with pytest.raises(ModelUnsuitable, match="m@1"):
        store.collections.begin("poses", model="m@2", job=job)
    assert store.collections.begin("poses", model="m@2", job=job, replace=True).model == "m@2"


def test_items_are_deleted(store: Store) -> None:
    store.collections.create("poses", "m@1")
    assert store.collections.delete_items("poses", ItemFilter(sources=("first",))) == 0
    with pytest.raises(ItemNotFound):
        store.collections.delete_items("poses", 0)
    for content in ("first", "second"):
        job = index_job(store)
        store.collections.begin("poses", model="m@1", job=job)
        fill(store, job, content)
        store.jobs.succeed(job, {})
    store.collections.delete_items("poses", 4)
    with pytest.raises(ItemNotFound, match="4"):
        store.collections.delete_items("poses", 4)
    assert store.collections.delete_items("poses", ItemFilter(sources=("first",))) == 3
    held = store.collections.get("poses")
    assert (held.num_items, held.status, sources(store)) == (2, "ready", ["second"] * 2)
    assert store.collections.delete_items("poses", ItemFilter(datasets=("ds_1",))) == 0
    assert store.collections.delete_items("poses", ItemFilter(sources=("second",))) == 2
    assert (store.collections.get("poses").num_items, store.collections.get("poses").status) == (0, "empty")


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
