"""The clock is set forward and back while jobs run: at worst a job is taken from a living worker, never done by two."""

import random

import pytest

from pfa_core.progress import Progress
from pfa_store.errors import LostLease
from pfa_store.job_record import Job
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock

HOUR_S = 3600.0


def claimed(store: Store) -> Job:
    job = store.jobs.claim_next("train", "w")
    assert job is not None
    return job


def test_a_step_forward_takes_the_job_and_the_old_worker_learns_it(store: Store, clock: Clock) -> None:
    store.jobs.add("evaluate", EvaluateSpec(model="m"))
    before = claimed(store)
    clock.pass_s(HOUR_S)
    assert [job.id for job in store.jobs.reap(clock())] == [before.id]
    after = claimed(store)
    with pytest.raises(LostLease):
        store.jobs.heartbeat(before)
    with pytest.raises(LostLease):
        store.jobs.succeed(before, {})
    assert store.jobs.succeed(after, {}).status == "succeeded"


def test_a_step_back_takes_no_job_from_a_worker_that_lives(store: Store, clock: Clock) -> None:
    store.jobs.add("evaluate", EvaluateSpec(model="m"))
    job = claimed(store)
    clock.pass_s(-HOUR_S)
    assert store.jobs.reap(clock()) == ()
    renewed = store.jobs.heartbeat(job)
    assert renewed.lease_until_s == clock() + store.settings.lease_s
    clock.pass_s(store.settings.lease_s + 0.1)
    assert [one.id for one in store.jobs.reap(clock())] == [job.id], "from here on the new time counts"


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_clock_does_one_attempt_at_a_time_may_write(store: Store, clock: Clock, seed: int) -> None:
    """Workers that never learn that they lost their job go on beside their successors; every one of them is refused."""
    rng = random.Random(seed)
    jobs = [store.jobs.add("evaluate", EvaluateSpec(model="m")).id for _ in range(3)]
    attempts: list[Job] = []
    for step in range(60):
        clock.pass_s(rng.choice([0.0, 1.0, 59.0, 61.0, HOUR_S, -1.0, -61.0, -HOUR_S]))
        store.jobs.reap(clock())
        if (job := store.jobs.claim_next("train", "w")) is not None:
            attempts.append(job)
        for attempt in attempts:
            now = store.jobs.get(attempt.id)
            if now.held and now.token == attempt.token:
                store.jobs.progress(attempt, Progress(phase="train", step=step, total=60))
            else:
                with pytest.raises(LostLease):
                    store.jobs.progress(attempt, Progress(phase="train", step=step, total=60))
    for job_id in jobs:
        tokens = [attempt.token for attempt in attempts if attempt.id == job_id]
        assert tokens == list(range(1, len(tokens) + 1)), "every claim got a token of its own"
