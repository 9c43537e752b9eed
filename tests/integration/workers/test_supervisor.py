"""One supervised attempt, without Celery: the supervisor runs in the test, and something happens meanwhile."""

import os
import signal
import threading
from collections.abc import Callable

from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.workers.service import processes_of
from tests.integration.workers.training import trained_steps, training
from workers.turn import run_job


def supervise(store: Store, job: Job, meanwhile: Callable[[], object], *, at_least: int = 1) -> Job:
    """Run the job here; once it has made so many steps of training, do something beside it."""
    failed: list[BaseException] = []

    def beside() -> None:
        try:
            trained_steps(store, job, at_least=at_least)
            meanwhile()
        except BaseException as error:
            failed.append(error)
            store.jobs.request_cancel(job.id)

    thread = threading.Thread(target=beside)
    thread.start()
    run_job(job.id, store)
    thread.join()
    assert not failed, failed
    assert processes_of(store.settings, "workers.runner") == {}
    return store.jobs.get(job.id)


def kill_runner(settings: Settings) -> None:
    (pid,) = processes_of(settings, "workers.runner")
    os.kill(pid, signal.SIGKILL)


def test_a_process_that_dies_each_time_fails_the_job(settings: Settings) -> None:
    store = Store.open(settings.model_copy(update={"max_attempts": 1}))
    job = supervise(store, training(store, steps=1_000_000), lambda: kill_runner(settings))
    assert (job.status, job.error_code) == ("failed", "worker_lost")
    assert job.error_message is not None
    assert "SIGKILL" in job.error_message
    store.close()


def test_a_job_that_was_taken_over_is_let_go(store: Store) -> None:
    """As after a long pause of this machine: the reaper has given the job away."""
    added = training(store, steps=1_000_000)
    job = supervise(store, added, lambda: store.jobs.reap(store.clock() + 1000))
    assert (job.status, job.token) == ("queued", 1)
    assert store.models.list() == ()


def test_a_runner_that_does_not_stop_is_killed(settings: Settings) -> None:
    """A stopped process hears SIGTERM no more than one that hangs in a driver."""
    store = Store.open(settings.model_copy(update={"cancel_grace_s": 1}))
    added = training(store, steps=1_000_000)

    def hang_and_cancel() -> None:
        (pid,) = processes_of(settings, "workers.runner")
        os.kill(pid, signal.SIGSTOP)
        store.jobs.request_cancel(added.id)

    assert supervise(store, added, hang_and_cancel).status == "cancelled"
    store.close()


def test_a_job_is_run_once(store: Store) -> None:
    job = training(store, steps=1)
    store.jobs.request_cancel(job.id)
    run_job(job.id, store)
    run_job("job_none", store)
    assert store.jobs.get(job.id).attempt == 0
