"""Two worker processes claim at the same moment, a thousand times: each gets a job, and no job has two winners."""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store

RACES = 1000


def race(settings: Settings, start: Barrier, answer: Connection) -> None:
    """Claim the job whose turn it is, each time when the other process does, end it, and tell which were won."""
    store = Store.open(settings, migrate=False)
    won = []
    for _ in range(RACES):
        start.wait(60)
        job = store.jobs.claim_next("train", "worker")
        if job is not None:
            store.jobs.succeed(job, {})
            won.append(job.id)
    store.close()
    answer.send(won)


def test_a_thousand_races_have_one_winner_each(store: Store, settings: Settings) -> None:
    jobs = [store.jobs.add("evaluate", EvaluateSpec(model="m")).id for _ in range(2 * RACES)]
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    racers = []
    for _ in range(2):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=race, args=(settings, start, there))
        process.start()
        there.close()
        racers.append((process, here))
    won = [here.recv() for _, here in racers]
    for process, here in racers:
        process.join()
        here.close()
    assert [len(jobs) for jobs in won] == [RACES, RACES], "whoever loses the first job in line gets the next"
    assert sorted(won[0] + won[1]) == sorted(jobs)
    for job_id in jobs:
        job = store.jobs.get(job_id)
        assert (job.status, job.token, job.attempt) == ("succeeded", 1, 1)
        assert [event.kind for event in store.jobs.events(job_id)] == ["queued", "claimed", "succeeded"]
