"""What jobs left in an object store goes after its time, whichever host had it, and nothing else does."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_store.job_mirror import JobMirror, newest_state
from pfa_store.job_record import Job
from pfa_store.store import Store
from tests.integration.s3 import S3, s3
from tests.integration.store.clock import Clock

DAY_S = 24 * 3600.0


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def hosts(tmp_path: Path, server: S3, clock: Clock) -> Iterator[tuple[Store, Store]]:
    """One that works and one that clears away; they share no folder."""
    opened = []
    for name in ("works", "clears"):
        made = server.settings(tmp_path / name, database_url=f"sqlite:///{tmp_path / 'shared.sqlite3'}")
        keeps = {"keep_history_days": 10, "keep_files_days": 20, "keep_checkpoints_days": 30, "orphan_days": 1}
        place = {"objects_url": f"s3://pfa/lab/{tmp_path.name}"}
        opened.append(Store.open(made.model_copy(update=keeps | place), clock=clock))
    yield opened[0], opened[1]
    for store in opened:
        store.close()


def worked(store: Store) -> Job:
    """A job that a worker has, with its log, a checkpoint, and a file for users, all in the object store."""
    added = store.jobs.add("flow", {"videos": ["vid_a"]})
    job = store.jobs.claim_next("flow", "w")
    assert job is not None
    assert job.id == added.id
    for path in (
        store.files.job_log(job.id),
        store.files.job_checkpoints(job.id) / "step-1.json",
        store.files.job_files(job.id, job.token) / "report.csv",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n" * 2000)
    assert store.objects is not None
    JobMirror(store.files, store.objects, job.id, token=job.token).push()
    store.files.shelf.publish(store.files.job_files(job.id, job.token))
    return job


def swept(store: Store, *, dry_run: bool = False) -> set[tuple[str, str]]:
    return {(piece.kind, piece.name) for piece in store.sweeper.sweep(dry_run=dry_run) if piece is not None}


def left(store: Store, job: Job) -> tuple[bool, bool]:
    """Whether its mirror and its files are in the object store."""
    assert store.objects is not None
    files = store.files.job_files(job.id, job.token)
    return newest_state(store.objects, job.id) is not None, store.files.shelf.published(files)


def test_of_a_job_that_succeeded(hosts: tuple[Store, Store], clock: Clock, server: S3) -> None:
    works, clears = hosts
    job = worked(works)
    works.jobs.succeed(job, {})
    clock.pass_s(9 * DAY_S)
    assert swept(clears) == set()
    clock.pass_s(2 * DAY_S)
    assert swept(clears, dry_run=True) == {("history", job.id), ("history", f"attempts/{job.id}")}
    assert left(clears, job) == (True, True)
    swept(clears)
    assert left(clears, job) == (False, True)
    now = works.jobs.get(job.id)
    assert (now.history_gone_s, now.files_gone_s) == (clock(), None)
    clock.pass_s(10 * DAY_S)
    assert swept(clears) == {("files", f"jobs/{job.id}/files-{job.token}")}
    assert left(clears, job) == (False, False)
    assert works.jobs.get(job.id).files_gone_s == clock()
    assert server.stored(job.id) == []
    assert swept(clears) == set()


def test_what_a_retry_may_need_stays_until_its_own_time(hosts: tuple[Store, Store], clock: Clock) -> None:
    works, clears = hosts
    job = worked(works)
    works.jobs.fail(job, "unexpected", "it broke")
    clock.pass_s(25 * DAY_S)
    assert ("outputs", f"jobs/{job.id}/files-{job.token}") in swept(clears), "of an attempt that is over"
    assert left(clears, job) == (True, False)
    works.jobs.request_retry(job.id)
    clock.pass_s(100 * DAY_S)
    assert swept(clears) == set(), "it waits for its turn again"
    works.jobs.request_cancel(job.id)
    clock.pass_s(31 * DAY_S)
    assert ("history", f"attempts/{job.id}") in swept(clears)
    assert left(clears, job) == (False, False)
    assert works.jobs.get(job.id).checkpoints_gone_s == clock()


def test_what_runs_and_what_is_young_stays(hosts: tuple[Store, Store], clock: Clock) -> None:
    works, clears = hosts
    assert clears.objects is not None
    clears.objects.put("attempts/job_none/00000001/state.json", b"{}")
    clock.pass_s(0.5 * DAY_S)
    assert swept(clears) == set()
    clock.pass_s(1 * DAY_S)
    job = worked(works)
    clock.pass_s(100 * DAY_S)
    assert swept(clears) == {("orphans", "attempts/job_none")}
    assert left(clears, job) == (True, True), "somebody has it"


def test_a_mirror_of_a_job_that_is_tried_again_meanwhile_stays(
    hosts: tuple[Store, Store], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, clears = hosts
    job = worked(works)
    works.jobs.fail(job, "unexpected", "it broke")
    clock.pass_s(31 * DAY_S)
    original = clears.sessions.writing

    def first_a_retry() -> object:
        monkeypatch.undo()
        works.jobs.request_retry(job.id)
        return original()

    stages = clears.sweeper.sweep()
    for piece in stages:  # everything that comes before the mirrors
        if piece is not None and piece.name == job.id:
            break
    monkeypatch.setattr(type(clears.sessions), "writing", lambda self: first_a_retry())
    rest = [piece.name for piece in stages if piece is not None]
    assert f"attempts/{job.id}" not in rest
    assert left(clears, job)[0]
