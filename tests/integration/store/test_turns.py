"""Whose turn it is among queued jobs, and that many workers at once take each job once."""

import collections
import random
import threading

from pfa_store.job_record import Job
from pfa_store.specs import EvaluateSpec, FlowSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock


def add(store: Store, clock: Clock, *, key: str | None = None, priority: int = 0) -> Job:
    clock.pass_s(1)
    return store.jobs.add("flow", FlowSpec(videos=["v"], priority=priority), key_id=key)


def order(store: Store) -> list[str]:
    """Claim until the queue has none."""
    ids = []
    while (job := store.jobs.claim_next("flow", "w")) is not None:
        ids.append(job.id)
    return ids


def test_the_oldest_comes_first(store: Store, clock: Clock) -> None:
    jobs = [add(store, clock) for _ in range(3)]
    assert order(store) == [job.id for job in jobs]


def test_the_highest_priority_comes_before_the_oldest(store: Store, clock: Clock) -> None:
    jobs = {priority: add(store, clock, priority=priority) for priority in (0, -10, 10, 3)}
    assert [store.jobs.get(jobs[priority].id).priority for priority in jobs] == list(jobs)
    assert order(store) == [jobs[priority].id for priority in (10, 3, 0, -10)]


def test_a_key_with_many_jobs_does_not_keep_the_others_waiting(store: Store, clock: Clock) -> None:
    """Three jobs of a, then two of b and one without a key: a, b and nobody take turns."""
    a = [add(store, clock, key="a").id for _ in range(3)]
    b = [add(store, clock, key="b").id for _ in range(2)]
    none = add(store, clock).id
    assert order(store) == [a[0], b[0], none, a[1], b[1], a[2]]


def test_what_is_over_or_in_another_queue_does_not_count(store: Store, clock: Clock) -> None:
    for _ in range(2):
        done = store.jobs.claim_next("flow", "w") if add(store, clock, key="a") else None
        assert done is not None
        store.jobs.succeed(done, {})
    store.jobs.add("evaluate", EvaluateSpec(model="m"), key_id="a")
    assert store.jobs.claim_next("train", "w") is not None
    add(store, clock, key="b")
    held = store.jobs.claim_next("flow", "w")
    assert held is not None
    assert held.key_id == "b"
    a, b = add(store, clock, key="a"), add(store, clock, key="b")
    store.jobs.request_pause(held.id)
    assert order(store) == [a.id, b.id], "a job that pauses still has its worker"


def test_an_empty_queue_has_none(store: Store, clock: Clock) -> None:
    assert store.jobs.claim_next("flow", "w") is None
    store.jobs.add("evaluate", EvaluateSpec(model="m"))
    assert store.jobs.claim_next("flow", "w") is None


def test_many_workers_at_once_take_each_job_once_and_fairly(store: Store, clock: Clock) -> None:
    """Ten jobs of a before ten of b: whoever takes the first ten leaves as many of the one as of the other."""
    jobs = [add(store, clock, key=key) for key in "a" * 10 + "b" * 10]
    taken: list[Job] = []

    def work() -> None:
        for _ in range(2):
            job = store.jobs.claim_next("flow", "w")
            assert job is not None
            taken.append(job)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.id for job in taken}) == 10
    assert sorted(job.key_id or "" for job in taken) == ["a"] * 5 + ["b"] * 5
    assert len(store.jobs.list(status="queued").items) == len(jobs) - 10


def test_a_bell_is_not_lost_to_who_changes_a_job_meanwhile(store: Store, clock: Clock) -> None:
    """As many bells as jobs, while the dispatcher notes that it rang: none finds nothing."""
    jobs = [add(store, clock) for _ in range(12)]
    found: list[Job | None] = []

    def note() -> None:
        for job in jobs:
            store.jobs.mark_rung(job.id)

    ring = threading.Thread(target=note)
    claim = threading.Thread(target=lambda: found.extend(store.jobs.claim_next("flow", "w") for _ in jobs))
    for thread in (ring, claim):
        thread.start()
    for thread in (ring, claim):
        thread.join()
    assert [job.id for job in found if job is not None] == [job.id for job in jobs]


def test_the_order_is_the_literal_one(store: Store, clock: Clock) -> None:
    """Against the rule written out in Python, one claim after the other; now and then a job ends between."""
    rng = random.Random(0)
    running: list[Job] = []
    queued: list[Job] = []
    for _ in range(60):
        if rng.random() < 0.6:
            queued.append(add(store, clock, key=rng.choice([None, "a", "b"]), priority=rng.choice([-1, 0, 0, 1])))
        if running and rng.random() < 0.3:
            store.jobs.succeed(running.pop(rng.randrange(len(running))), {})
        if queued and rng.random() < 0.5:
            under_way = collections.Counter(job.key_id for job in running)
            expected = min(queued, key=lambda job: (-job.priority, under_way[job.key_id], job.created_s))
            taken = store.jobs.claim_next("flow", "w")
            assert taken is not None
            assert taken.id == expected.id
            queued.remove(expected)
            running.append(taken)
    assert len(running) + len(queued) > 10
