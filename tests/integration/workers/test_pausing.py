"""Pause, go on, try again: with real runners and a supervisor in this test."""

import pytest

from pfa_store.job_record import Job
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.workers.service import Service, processes_of
from tests.integration.workers.test_service import done, first_step
from tests.integration.workers.test_supervisor import supervise
from tests.integration.workers.training import PACK, trained_steps, training, upload
from tests.waiting import wait_for


def checkpoints(store: Store, job: Job) -> list[str]:
    return sorted(path.name for path in store.files.job_checkpoints(job.id).glob("step-*.json"))


def steps_of_last_attempt(store: Store, job: Job) -> int:
    """Where the newest attempt began to train."""
    events = store.jobs.events(job.id, limit=1000)
    claims = [event.id for event in events if event.kind == "claimed"]
    return first_step([event for event in events if event.id > claims[-1]])


def test_a_paused_job_goes_on_from_its_checkpoint(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=400)
    store.queue.ring(job)
    seen = trained_steps(store, job, at_least=5)
    assert store.jobs.request_pause(job.id).status == "pausing"
    paused = wait_for(lambda: now if (now := store.jobs.get(job.id)).status == "paused" else None, what="the pause")
    assert not service.processes("workers.runner"), "its process is gone, and its memory with it"
    assert (paused.attempt, paused.done) == (0, False)
    assert checkpoints(store, job)
    other = store.jobs.add("flow", FlowSpec(videos=[upload(store, num_frames=4, seed=9).id], config=PACK))
    store.queue.ring(other)
    assert done(store, other).status == "succeeded", "workers do other jobs meanwhile"
    assert store.jobs.get(job.id) == paused
    store.queue.ring(store.jobs.request_resume(job.id))
    finished = done(store, job)
    assert (finished.status, finished.attempt) == ("succeeded", 1)
    assert steps_of_last_attempt(store, job) > seen


def test_what_was_cancelled_or_paused_can_be_taken_up_again(store: Store) -> None:
    """Paused, cancelled while paused, tried again, cancelled while it runs, tried again to its end."""
    job = training(store, steps=300)
    job = supervise(store, job, lambda: store.jobs.request_pause(job.id))
    assert job.status == "paused"
    first = checkpoints(store, job)
    assert store.jobs.request_cancel(job.id).status == "cancelled"
    assert checkpoints(store, job) == first
    assert store.jobs.request_retry(job.id).status == "queued"
    job = supervise(store, job, lambda: store.jobs.request_cancel(job.id), at_least=job.step + 1)
    assert job.status == "cancelled"
    seen = job.step
    store.jobs.request_retry(job.id)
    job = supervise(store, job, lambda: None)
    assert (job.status, job.attempt) == ("succeeded", 1)
    assert steps_of_last_attempt(store, job) >= seen
    assert not checkpoints(store, job)


def test_helpers_stop_when_the_job_pauses(store: Store, service: Service) -> None:
    """The job runs on one worker, another one helps; both are free afterwards, and the job goes on."""
    service.start()
    service.start()
    videos = [upload(store, num_frames=1200, seed=seed).id for seed in range(3)]
    job = store.jobs.add("flow", FlowSpec(videos=videos, config={"short_side_px": 128}))
    store.queue.ring(job)
    wait_for(lambda: service.processes("workers.helper"), what="a helper")
    wait_for(lambda: store.jobs.get(job.id).step, what="the first pairs")
    store.jobs.request_pause(job.id)
    wait_for(lambda: store.jobs.get(job.id).status == "paused", what="the pause")
    wait_for(lambda: not service.processes("workers.helper"), what="the helper's end")
    assert not service.processes("workers.runner")
    wait_for(lambda: [w.status for w in store.workers.list()] == ["idle"] * 4, what="idle workers")
    tally = store.items.tally(job.id)
    assert (tally.running, tally.waiting > 0) == (0, True)
    store.jobs.request_cancel(job.id)


@pytest.mark.parametrize("wish", ["pause", "cancel"])
def test_a_job_that_cannot_stop_is_killed_and_has_stopped(store: Store, wish: str) -> None:
    """The runner hangs in a driver, as SIGSTOP has it."""
    import os
    import signal

    hasty = Store.open(store.settings.model_copy(update={"cancel_grace_s": 1}))
    job = training(hasty, steps=1_000_000)

    def meanwhile() -> None:
        (runner,) = processes_of(store.settings, "workers.runner")
        os.kill(runner, signal.SIGSTOP)
        getattr(store.jobs, f"request_{wish}")(job.id)

    job = supervise(hasty, job, meanwhile)
    assert job.status == {"pause": "paused", "cancel": "cancelled"}[wish]
    hasty.close()
