"""The items of a job that several workers share."""

import threading

import pytest
from alembic import command
from sqlalchemy import inspect

from pfa_store.database import make_engine, migrations
from pfa_store.errors import LostLease
from pfa_store.items import Item, owner
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock

PAIRS = {"vid_a": 10, "vid_b": 30, "vid_c": 20}


def running(store: Store) -> Job:
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=list(PAIRS))).id, "w")
    assert job is not None
    store.items.enqueue(job, PAIRS)
    return job


def claimed(store: Store, job: Job, worker: str = "w1") -> Item:
    item = store.items.claim(job.id, worker)
    assert item is not None
    return item


def statuses(store: Store, job: Job) -> dict[str, str]:
    return {item.video_id: item.status for item in store.items.all(job.id)}


def test_a_database_of_the_first_release_is_upgraded(settings: Settings) -> None:
    engine = make_engine(settings.sqlalchemy_url)
    with engine.execution_options(pfa_writes=True).begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "r0001")
        assert not inspect(connection).has_table("job_items")
        connection.exec_driver_sql(
            "INSERT INTO jobs (id, kind, queue, spec, status, phase, step, total, metrics, attempt, token, created_s)"
            " VALUES ('job_old', 'flow', 'flow', '{}', 'queued', '', 0, 0, '{}', 0, 0, 1)"
        )
    engine.dispose()
    store = Store.open(settings)
    job = store.jobs.claim("job_old", "w")
    assert job is not None
    store.items.enqueue(job, PAIRS)
    assert len(store.items.all("job_old")) == 3
    store.close()


def test_the_longest_comes_first_and_each_once(store: Store) -> None:
    job = running(store)
    taken = [claimed(store, job).video_id for _ in PAIRS]
    assert taken == ["vid_b", "vid_c", "vid_a"]
    assert store.items.claim(job.id, "w2") is None


def test_many_workers_share_without_a_double(store: Store) -> None:
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["v"])).id, "w")
    assert job is not None
    store.items.enqueue(job, {f"vid_{n}": n for n in range(40)})
    taken: list[str] = []

    def work(name: str) -> None:
        while item := store.items.claim(job.id, name):
            taken.append(item.video_id)
            store.items.finish(item)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while item := store.items.claim(job.id, "last"):  # all may have found the same row locked
        taken.append(item.video_id)
        store.items.finish(item)
    assert sorted(taken) == sorted(f"vid_{n}" for n in range(40))
    assert store.items.tally(job.id).ended == 40


def test_the_database_counts(store: Store) -> None:
    job = running(store)
    first, second = claimed(store, job, "w1"), claimed(store, job, "w2")
    store.items.renew(second, step=7)
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running, tally.ended, tally.pairs, tally.pairs_done) == (1, 2, 0, 60, 7)
    assert store.items.tally(job.id, without="w2").pairs_done == 0
    store.items.finish(first)
    store.items.refuse(second, "video_too_short", "too short")
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running, tally.ended, tally.pairs_done) == (1, 0, 2, 50)
    assert statuses(store, job) == {"vid_a": "queued", "vid_b": "done", "vid_c": "refused"}


def test_what_crashes_twice_is_refused(store: Store) -> None:
    job = running(store)
    store.items.crashed(claimed(store, job, "w1"), "video_unreadable", "it died")
    again = claimed(store, job, "w2")
    assert (again.video_id, again.crashes, again.error_code) == ("vid_b", 1, None)
    store.items.crashed(again, "video_unreadable", "it died")
    refused = store.items.all(job.id)[1]
    assert (refused.status, refused.crashes, refused.error_code) == ("refused", 2, "video_unreadable")
    assert claimed(store, job).video_id == "vid_c"


def test_a_silent_worker_loses_its_item(store: Store, clock: Clock) -> None:
    job = running(store)
    lost = claimed(store, job, "w1")
    clock.pass_s(59)
    store.items.renew(lost, step=1)
    clock.pass_s(59)
    assert claimed(store, job, "w2").video_id == "vid_c"
    clock.pass_s(2)
    taken = claimed(store, job, "w2")
    assert (taken.video_id, taken.crashes) == ("vid_b", 0)
    for late in (store.items.finish, store.items.release):
        with pytest.raises(LostLease):
            late(lost)
    store.items.finish(taken)


def test_a_later_attempt_goes_on(store: Store) -> None:
    job = running(store)
    store.items.enqueue(job, {**PAIRS, "vid_d": 40})
    store.items.refuse(claimed(store, job, owner(job)), "video_too_short", "too short")
    store.items.finish(claimed(store, job, owner(job)))
    claimed(store, job, owner(job))
    helped = claimed(store, job, "helper")
    store.jobs.hand_back(job, "its process died")
    assert store.items.claim(job.id, "helper") is None, "the job does not run"
    again = store.jobs.claim(job.id, "w")
    assert again is not None
    store.items.enqueue(again, PAIRS)
    assert statuses(store, again) == {
        "vid_a": "running",
        "vid_b": "queued",
        "vid_c": "queued",
        "vid_d": "refused",
    }
    store.items.finish(helped)
    with pytest.raises(LostLease):
        store.items.enqueue(job, PAIRS)


def test_a_released_item_is_free_at_once(store: Store) -> None:
    job = running(store)
    store.items.release(claimed(store, job, "w1"))
    assert claimed(store, job, "w2").video_id == "vid_b"


def test_nothing_of_a_cancelled_job_is_claimed(store: Store) -> None:
    job = running(store)
    store.jobs.request_cancel(job.id)
    assert store.items.claim(job.id, "w1") is None
