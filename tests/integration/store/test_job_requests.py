"""Pausing, going on, trying again: which states allow it, and what the worker of the job sees."""

from collections.abc import Callable

import pytest

from pfa_store.errors import JobNotFound, JobStateConflict, LostLease
from pfa_store.job_record import Job
from pfa_store.job_states import STATUSES, JobStatus
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from tests.integration.store.taken import kinds, taken

Request = Callable[[str], Job]


def add(store: Store) -> Job:
    return store.jobs.add("flow", FlowSpec(videos=["vid_a"]))


def claimed(store: Store, job: Job | None = None) -> Job:
    return taken(store, job or add(store))


def in_state(store: Store, status: JobStatus) -> Job:
    """A job in a state, brought there as users and workers do."""
    if status == "queued":
        return add(store)
    held = claimed(store)
    match status:
        case "pausing":
            store.jobs.request_pause(held.id)
        case "paused":
            store.jobs.request_pause(held.id)
            store.jobs.finish_pause(held)
        case "cancelling":
            store.jobs.request_cancel(held.id)
        case "cancelled":
            store.jobs.request_cancel(held.id)
            store.jobs.finish_cancel(held)
        case "succeeded":
            store.jobs.succeed(held, {})
        case "failed":
            store.jobs.fail(held, "disk_full", "The disk is full.")
    job = store.jobs.get(held.id)
    assert job.status == status
    return job


AFTER: dict[str, dict[JobStatus, JobStatus]] = {
    "cancel": {
        "queued": "cancelled", "running": "cancelling", "pausing": "cancelling", "paused": "cancelled",
        "cancelling": "cancelling", "cancelled": "cancelled",
    },
    "pause": {"queued": "paused", "running": "pausing", "pausing": "pausing", "paused": "paused"},
    "resume": {"paused": "queued"},
    "retry": {"failed": "queued", "cancelled": "queued"},
}  # fmt: skip
"""The whole table: what is asked, in which state, and the state after; all else is a conflict."""


@pytest.mark.parametrize("wish", AFTER)
def test_every_state_allows_what_the_table_says(store: Store, wish: str) -> None:
    ask: Request = getattr(store.jobs, f"request_{wish}")
    for status in STATUSES:
        job = in_state(store, status)
        before = kinds(store, job)
        after = AFTER[wish].get(status)
        if after is None:
            with pytest.raises(JobStateConflict, match="cannot be") as refused:
                ask(job.id)
            assert refused.value.facts == {"status": status}
        else:
            assert ask(job.id).status == after
        if after in (None, status):
            assert store.jobs.get(job.id) == job
            assert kinds(store, job) == before, "nothing happened, so nothing is told"
    with pytest.raises(JobNotFound):
        ask("job_none")


def test_a_pause_is_no_attempt(store: Store) -> None:
    job = add(store)
    for _ in range(5):  # more than the attempts that it has
        held = claimed(store, job)
        assert (held.attempt, store.jobs.request_pause(job.id).status) == (1, "pausing")
        assert store.jobs.heartbeat(held).status == "pausing"
        paused = store.jobs.finish_pause(held)
        assert (paused.status, paused.done, paused.held, paused.worker) == ("paused", False, False, None)
        assert (paused.attempt, paused.lease_until_s, paused.eta_s) == (0, None, None)
        assert store.jobs.claim(job.id, "worker") is None
        assert store.jobs.request_resume(job.id).status == "queued"
    assert kinds(store, job)[:6] == ["queued", "claimed", "pausing", "paused", "resumed", "claimed"]
    assert claimed(store, job).token == 6


def test_a_queued_job_is_paused_at_once_and_nobody_is_told_of_it(store: Store, clock: Clock) -> None:
    job = add(store)
    assert store.jobs.request_pause(job.id).status == "paused"
    assert store.jobs.due_for_ringing(clock()) == ()
    assert store.jobs.claim_next("flow", "worker") is None
    store.jobs.request_resume(job.id)
    assert [due.id for due in store.jobs.due_for_ringing(clock())] == [job.id]


def test_a_resumed_job_is_rung_for_at_once(store: Store, clock: Clock) -> None:
    job = add(store)
    store.jobs.mark_rung(job.id)
    store.jobs.request_pause(job.id)
    assert store.jobs.request_resume(job.id).rung_s is None
    assert [due.id for due in store.jobs.due_for_ringing(clock())] == [job.id]


def test_a_job_that_was_faster_than_its_pause_has_succeeded(store: Store) -> None:
    held = claimed(store)
    store.jobs.request_pause(held.id)
    assert store.jobs.succeed(held, {"packs": 1}).status == "succeeded"
    with pytest.raises(LostLease):
        store.jobs.finish_pause(held)


@pytest.mark.parametrize("end", ["reaped", "handed back"])
def test_a_job_whose_worker_dies_while_it_pauses_is_paused(store: Store, clock: Clock, end: str) -> None:
    held = claimed(store)
    store.jobs.request_pause(held.id)
    if end == "reaped":
        clock.pass_s(61)
        (job,) = store.jobs.reap(clock())
    else:
        job = store.jobs.hand_back(held, "its process ended by SIGKILL")
    assert (job.status, job.attempt) == ("paused", 0)


def test_helpers_of_a_job_that_pauses_get_nothing_more(store: Store) -> None:
    held = claimed(store)
    store.items.enqueue(held, {"vid_a": 10, "vid_b": 9})
    assert store.items.claim(held.id, "helper") is not None
    store.jobs.request_pause(held.id)
    assert store.items.claim(held.id, "helper") is None


def test_a_retry_begins_with_all_attempts_and_keeps_what_was_done(store: Store, clock: Clock) -> None:
    job = add(store)
    for _ in range(3):
        store.jobs.hand_back(claimed(store, job), "its process ended by SIGSEGV")
    failed = store.jobs.get(job.id)
    assert (failed.status, failed.attempt) == ("failed", 3)
    again = store.jobs.request_retry(job.id)
    assert (again.status, again.attempt, again.error_code, again.error_message) == ("queued", 0, None, None)
    assert (again.finished_s, again.created_s, again.token) == (None, job.created_s, 3)
    assert [due.id for due in store.jobs.due_for_ringing(clock())] == [job.id]
    assert kinds(store, job)[-1] == "retried"
    held = claimed(store, job)
    assert (held.attempt, held.token) == (1, 4)
    assert store.jobs.hand_back(held, "its process ended by SIGBUS").status == "queued"


def test_a_failed_job_names_the_end_of_each_attempt(store: Store, clock: Clock) -> None:
    job = add(store)
    store.jobs.hand_back(claimed(store, job), "its worker was shut down", counts=False)
    store.jobs.hand_back(claimed(store, job), "its process ended by SIGSEGV")
    store.jobs.hand_back(claimed(store, job), "it made no progress for 60 s")
    claimed(store, job)
    clock.pass_s(61)
    (job,) = store.jobs.reap(clock())
    assert (job.status, job.error_code) == ("failed", "worker_lost")
    assert job.error_message == (
        "The job was started 3 times and its worker was lost each time."
        " Attempt 1: its process ended by SIGSEGV; attempt 2: it made no progress for 60 s;"
        " attempt 3: its worker fell silent."
    )
    store.jobs.request_retry(job.id)
    for _ in range(3):
        job = store.jobs.hand_back(claimed(store, job), "its process ended by SIGBUS")
    assert job.error_message is not None
    assert "SIGSEGV" not in job.error_message
    assert job.error_message.count("SIGBUS") == 3


def test_a_batch_is_halved_once_and_that_is_no_attempt(store: Store) -> None:
    held = claimed(store)
    assert not held.half_batch
    job = store.jobs.halve_batch(held, "CUDA out of memory.", batch_size=16)
    assert (job.status, job.half_batch, job.attempt) == ("queued", True, 0)
    told = [event.data for event in store.jobs.events(job.id) if event.kind == "out_of_memory"]
    assert told == [{"message": "CUDA out of memory.", "batch_size": 16}]
    with pytest.raises(LostLease):
        store.jobs.halve_batch(held, "late", batch_size=8)


def test_who_retries_after_half_a_batch_gets_the_whole_again_only_if_that_was_too_much_too(store: Store) -> None:
    for code, half in (("out_of_memory", False), ("disk_full", True)):
        job = store.jobs.halve_batch(claimed(store), "CUDA out of memory.", batch_size=16)
        store.jobs.fail(claimed(store, job), code, "")
        assert store.jobs.request_retry(job.id).half_batch is half
    cancelled = store.jobs.halve_batch(claimed(store), "CUDA out of memory.", batch_size=16)
    store.jobs.request_cancel(cancelled.id)
    assert store.jobs.request_retry(cancelled.id).half_batch
