"""Two worker processes go for the same job at the same moment, a thousand times: each job has exactly one winner."""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store

RACES = 1000


def claim_all(settings: Settings, job_ids: list[str], start: Barrier, answer: Connection) -> None:
    """Try to claim every job, each when the other process does, and tell which were won."""
    store = Store.open(settings, migrate=False)
    won = []
    for job_id in job_ids:
        start.wait(60)
        if store.jobs.claim(job_id, "worker") is not None:
            won.append(job_id)
    store.close()
    answer.send(won)


def test_a_thousand_races_have_one_winner_each(store: Store, settings: Settings) -> None:
    jobs = [store.jobs.add("evaluate", EvaluateSpec(model="m")).id for _ in range(RACES)]
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    racers = []
    for _ in range(2):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=claim_all, args=(settings, jobs, start, there))
        process.start()
        there.close()
        racers.append((process, here))
    won = [here.recv() for _, here in racers]
    for process, here in racers:
        process.join()
        here.close()
    assert sorted(won[0] + won[1]) == sorted(jobs)
    assert min(map(len, won)) > 0, "both were in the race"
    for job_id in jobs:
        job = store.jobs.get(job_id)
        assert (job.status, job.token, job.attempt) == ("running", 1, 1)
        assert [event.kind for event in store.jobs.events(job_id)] == ["queued", "claimed"]
