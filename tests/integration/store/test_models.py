"""Publishing models once, finding them by every name, and not losing one that is needed."""

import subprocess
import sys
import threading

import pytest

from pfa_core.errors import ConfigInvalid
from pfa_store.errors import InUse, LostLease, ModelNotFound
from pfa_store.job_record import Job
from pfa_store.models import ModelVersion
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, FinetuneSpec, TablesSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from tests.integration.store.manifests import MANIFEST, model_folder


def published(store: Store, name: str = "walker", job: Job | None = None, content: str = "weights") -> ModelVersion:
    folder = model_folder(store.files.root / "tmp" / f"made-{threading.get_ident()}-{content}", content)
    return store.models.publish(folder, name, job, manifest=MANIFEST)


def running_job(store: Store) -> Job:
    job = store.jobs.add("finetune", FinetuneSpec(task="pose", name="walker", dataset="d"))
    held = store.jobs.claim(job.id, "worker")
    assert held is not None
    return held


def test_a_published_model_is_found(store: Store, clock: Clock) -> None:
    model = published(store)
    assert (model.name, model.version, model.ref, model.kind) == ("walker", 1, "walker@1", "pose")
    assert (model.metrics, model.lineage["dataset"], model.lineage["seed"]) == ({"pck": 0.5}, "gym", 3)
    assert model.created_s == clock()
    assert (store.models.folder(model) / "model.safetensors").read_text() == "weights"
    assert store.models.resolve("walker") == store.models.resolve("walker@1") == model


def test_versions_count_up(store: Store) -> None:
    published(store)
    second = published(store)
    other = published(store, "runner")
    assert (second.version, other.version) == (2, 1)
    assert store.models.resolve("walker") == second
    assert [model.version for model in store.models.versions("walker")] == [2, 1]
    assert [model.ref for model in store.models.list()] == ["runner@1", "walker@2"]


def test_an_alias_moves(store: Store) -> None:
    first, _ = published(store), published(store)
    assert store.models.set_alias("walker", "production", 1).aliases == ("production",)
    assert store.models.resolve("walker@production").ref == first.ref
    store.models.set_alias("walker", "production", 2)
    assert store.models.resolve("walker@production").version == 2
    assert store.models.resolve("walker@1").aliases == ()
    store.models.remove_alias("walker", "production")
    with pytest.raises(ModelNotFound):
        store.models.resolve("walker@production")
    with pytest.raises(ModelNotFound):
        store.models.remove_alias("walker", "production")


@pytest.mark.parametrize("alias", ["2", "-x", "", "a b", "a/b"])
def test_an_alias_that_reads_as_a_version_is_refused(store: Store, alias: str) -> None:
    published(store)
    with pytest.raises(ConfigInvalid):
        store.models.set_alias("walker", alias, 1)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a@b", "x" * 81])
def test_a_name_that_is_no_folder_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ConfigInvalid):
        published(store, name)


@pytest.mark.parametrize("ref", ["none", "walker@2", "walker@production", "walker@99999999999999999999", "walker@0"])
def test_what_does_not_exist_is_not_found(store: Store, ref: str) -> None:
    published(store)
    with pytest.raises(ModelNotFound):
        store.models.resolve(ref)
    with pytest.raises(ModelNotFound):
        store.models.versions("none")


def test_a_job_publishes_one_model(store: Store, clock: Clock) -> None:
    job = running_job(store)
    first = published(store, job=job)
    clock.pass_s(61)
    store.jobs.reap(clock())
    again = store.jobs.claim(job.id, "another")
    assert again is not None
    assert published(store, job=again, content="later") == first
    assert store.models.of_job(job.id) == first
    assert [model.version for model in store.models.versions("walker")] == [1]


def test_a_zombie_publishes_nothing(store: Store, clock: Clock) -> None:
    zombie = running_job(store)
    clock.pass_s(61)
    store.jobs.reap(clock())
    with pytest.raises(LostLease):
        published(store, job=zombie)
    assert store.models.list() == ()


def test_a_folder_without_a_row_is_replaced(store: Store) -> None:
    """What a crash between the rename and the commit leaves."""
    model_folder(store.files.model("walker", 1), "from a crash")
    model = published(store, content="whole")
    assert model.version == 1
    assert (store.models.folder(model) / "model.safetensors").read_text() == "whole"


def test_a_crash_while_publishing_shows_nothing(store: Store, settings: Settings) -> None:
    """The process dies after the rename and before the commit."""
    model_folder(store.files.root / "tmp" / "made")
    code = f"""
import os
from pfa_store import models
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.store.manifests import MANIFEST
store = Store.open(Settings(data_dir={str(settings.data_dir)!r}, database_url={settings.database_url!r}))
class Dying(type(store.files)):
    def move(self, source, target):
        super().move(source, target)
        os._exit(7)
dying = Dying(store.files.root)
made = dying.root / "tmp" / "made"
models.Models(store.sessions, dying, store.clock).publish(made, "walker", None, manifest=MANIFEST)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
    assert store.files.model("walker", 1).is_dir()
    assert store.models.list() == ()
    assert published(store).version == 1


def test_publishing_at_once_gives_each_its_version(store: Store) -> None:
    threads = [threading.Thread(target=published, args=(store,), kwargs={"content": str(n)}) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = store.models.versions("walker")
    assert [model.version for model in versions] == [5, 4, 3, 2, 1]
    held = {(store.models.folder(model) / "model.safetensors").read_text() for model in versions}
    assert held == {"0", "1", "2", "3", "4"}


def test_a_deleted_version_is_gone_and_its_number_too(store: Store) -> None:
    published(store)
    second = published(store)
    store.models.delete("walker", 2)
    with pytest.raises(ModelNotFound):
        store.models.resolve("walker@2")
    assert not list(store.models.folder(second).iterdir())
    assert published(store).version == 3
    with pytest.raises(ModelNotFound):
        store.models.delete("walker", 2)


def test_a_model_that_is_needed_is_not_deleted(store: Store) -> None:
    published(store)
    published(store)
    store.models.set_alias("walker", "production", 1)
    with pytest.raises(InUse):
        store.models.delete("walker", 1)
    store.models.remove_alias("walker", "production")
    store.collections.create("poses", "walker@1")
    with pytest.raises(InUse):
        store.models.delete("walker", 1)
    store.collections.delete("poses")
    job = store.jobs.add("evaluate", EvaluateSpec(dataset="d", model="walker@1"))
    with pytest.raises(InUse):
        store.models.delete("walker", 1)
    store.jobs.request_cancel(job.id)
    job = store.jobs.add("tables", TablesSpec(action=["gym"], init={"motion": "walker@1"}))
    store.models.delete("walker", 2)
    with pytest.raises(InUse, match=job.id):
        store.models.delete("walker", 1)
    store.jobs.request_cancel(job.id)
    store.models.delete("walker", 1)
