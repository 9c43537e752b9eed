"""The state machine of a job: who may change what, and what a dead worker leaves behind."""

import pytest

from pfa_core.errors import ConfigInvalid
from pfa_core.progress import Progress
from pfa_store.errors import IdempotencyConflict, JobNotFound, JobStateConflict, LostLease
from pfa_store.idempotency import KEEP_S, Once
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, PretrainSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from tests.integration.store.taken import kinds, taken

SPEC = EvaluateSpec(dataset="d", model="m")


def add(store: Store) -> Job:
    return store.jobs.add("evaluate", SPEC)


def claimed(store: Store, job: Job | None = None) -> Job:
    return taken(store, job or add(store))


def test_a_new_job_is_queued_and_reads_back(store: Store, clock: Clock) -> None:
    spec = PretrainSpec(videos=["vid_a"], config={"learn": {"steps": 7}})
    job = store.jobs.add("pretrain", spec, key_id="key_1")
    assert (job.status, job.done, job.held, job.queue, job.attempt) == ("queued", False, False, "train", 0)
    assert (job.created_s, job.key_id) == (clock(), "key_1")
    assert store.jobs.get(job.id) == job
    assert job.request == spec
    assert kinds(store, job) == ["queued"]


def test_a_job_is_claimed_once(store: Store, clock: Clock) -> None:
    job = add(store)
    held = claimed(store, job)
    assert (held.status, held.attempt, held.token, held.worker) == ("running", 1, 1, "worker")
    assert held.lease_until_s == clock() + 60
    assert store.jobs.claim(job.id, "another") is None
    assert store.jobs.claim("job_none", "another") is None


def test_success_is_the_end(store: Store, clock: Clock) -> None:
    held = claimed(store)
    clock.pass_s(5)
    job = store.jobs.succeed(held, {"model": "m@1", "metrics": {"accuracy": float("nan")}})
    assert (job.status, job.done, job.finished_s, job.lease_until_s) == ("succeeded", True, clock(), None)
    assert store.jobs.get(job.id).result == {"model": "m@1", "metrics": {"accuracy": None}}
    with pytest.raises(LostLease):
        store.jobs.fail(held, "internal", "too late")
    with pytest.raises(JobStateConflict):
        store.jobs.request_cancel(job.id)


def test_failure_tells_code_and_message(store: Store) -> None:
    job = store.jobs.fail(claimed(store), "no_usable_videos", "All were still.")
    assert (job.status, job.error_code, job.error_message) == ("failed", "no_usable_videos", "All were still.")
    assert store.jobs.events(job.id)[-1].data == {"code": "no_usable_videos", "message": "All were still."}


def test_progress_is_kept_and_a_phase_is_an_event(store: Store) -> None:
    held = claimed(store)
    store.jobs.progress(held, Progress(phase="flow", step=1, total=4), eta_s=9.0)
    store.jobs.progress(held, Progress(phase="train", step=2, total=8, metrics={"loss": 0.5}), eta_s=3.0)
    store.jobs.progress(held, Progress(phase="train", step=3, total=8))
    job = store.jobs.get(held.id)
    assert (job.phase, job.step, job.total, job.eta_s, job.metrics) == ("train", 3, 8, None, {"loss": 0.5})
    assert kinds(store, job) == ["queued", "claimed", "phase", "progress", "phase", "progress", "progress"]


def test_cancelling_a_queued_job_is_immediate(store: Store) -> None:
    job = store.jobs.request_cancel(add(store).id)
    assert (job.status, job.done) == ("cancelled", True)
    assert store.jobs.claim(job.id, "worker") is None
    assert store.jobs.request_cancel(job.id) == job


def test_cancelling_a_running_job_waits_for_its_worker(store: Store) -> None:
    held = claimed(store)
    assert store.jobs.request_cancel(held.id).status == "cancelling"
    assert store.jobs.request_cancel(held.id).status == "cancelling"
    assert store.jobs.heartbeat(held).status == "cancelling"
    assert store.jobs.finish_cancel(held).status == "cancelled"
    assert kinds(store, held) == ["queued", "claimed", "cancelling", "cancelled"]


def test_a_lease_lives_as_long_as_its_heart_beats(store: Store, clock: Clock) -> None:
    held = claimed(store)
    for _ in range(3):
        clock.pass_s(50)
        store.jobs.heartbeat(held)
        assert store.jobs.reap(clock()) == ()
    clock.pass_s(60.1)
    assert [job.id for job in store.jobs.reap(clock())] == [held.id]
    assert store.jobs.get(held.id).status == "queued"
    assert store.jobs.reap(clock()) == ()


def test_a_zombie_can_change_nothing(store: Store, clock: Clock) -> None:
    zombie = claimed(store)
    clock.pass_s(61)
    store.jobs.reap(clock())
    current = claimed(store, zombie)
    assert current.token == zombie.token + 1
    before = store.jobs.get(zombie.id)
    for write in (
        lambda: store.jobs.heartbeat(zombie),
        lambda: store.jobs.progress(zombie, Progress(phase="train", step=99, total=99)),
        lambda: store.jobs.note(zombie, "left_out", {}),
        lambda: store.jobs.succeed(zombie, {}),
        lambda: store.jobs.fail(zombie, "internal", ""),
        lambda: store.jobs.finish_cancel(zombie),
        lambda: store.jobs.hand_back(zombie, "shutdown"),
    ):
        with pytest.raises(LostLease):
            write()
    assert store.jobs.get(zombie.id) == before
    assert store.jobs.succeed(current, {}).status == "succeeded"


def test_a_job_whose_worker_dies_every_time_fails(store: Store, clock: Clock) -> None:
    job = add(store)
    for _ in range(3):
        claimed(store, job)
        clock.pass_s(61)
        store.jobs.reap(clock())
    job = store.jobs.get(job.id)
    assert (job.status, job.error_code, job.attempt) == ("failed", "worker_lost", 3)


def test_a_shutdown_does_not_count_as_an_attempt(store: Store) -> None:
    job = add(store)
    for _ in range(5):
        job = store.jobs.hand_back(claimed(store, job), "the worker was shut down", counts=False)
        assert (job.status, job.attempt) == ("queued", 0)
    for _ in range(2):
        assert store.jobs.hand_back(claimed(store, job), "killed").status == "queued"
    assert store.jobs.hand_back(claimed(store, job), "killed").status == "failed"


def test_a_job_to_be_cancelled_is_cancelled_when_its_worker_dies(store: Store, clock: Clock) -> None:
    held = claimed(store)
    store.jobs.request_cancel(held.id)
    clock.pass_s(61)
    assert [job.status for job in store.jobs.reap(clock())] == ["cancelled"]
    handed = claimed(store)
    store.jobs.request_cancel(handed.id)
    assert store.jobs.hand_back(handed, "killed").status == "cancelled"


def test_the_bell_rings_again_for_jobs_that_nobody_takes(store: Store, clock: Clock) -> None:
    first = add(store)
    clock.pass_s(1)
    second = add(store)
    assert [job.id for job in store.jobs.due_for_ringing(clock())] == [first.id, second.id]
    store.jobs.mark_rung(first.id)
    assert [job.id for job in store.jobs.due_for_ringing(clock())] == [second.id]
    clock.pass_s(60)
    assert [job.id for job in store.jobs.due_for_ringing(clock())] == [first.id, second.id]
    claimed(store, first)
    assert [job.id for job in store.jobs.due_for_ringing(clock())] == [second.id]


def test_pages_tell_every_job_once(store: Store, clock: Clock) -> None:
    ids = []
    for n in range(7):
        ids.append(add(store).id)
        clock.pass_s(n % 2)  # some share their time
    seen: list[str] = []
    page = store.jobs.list(limit=3)
    while True:
        seen += [job.id for job in page.items]
        if page.next_cursor is None:
            break
        page = store.jobs.list(limit=3, cursor=page.next_cursor)
    assert sorted(seen) == sorted(ids)
    times = [store.jobs.get(job_id).created_s for job_id in seen]
    assert times == sorted(times, reverse=True)


def test_lists_are_filtered(store: Store) -> None:
    running = claimed(store)
    queued = store.jobs.add("pretrain", PretrainSpec(videos=["v"]))
    assert [job.id for job in store.jobs.list(status="running").items] == [running.id]
    assert [job.id for job in store.jobs.list(kind="pretrain").items] == [queued.id]


@pytest.mark.parametrize("cursor", ["x", "bm90aGluZw", "W10", ""])
def test_a_cursor_of_someone_elses_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ConfigInvalid):
        store.jobs.list(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(ConfigInvalid):
        store.jobs.list(limit=limit)


def test_events_are_read_from_where_one_stopped(store: Store) -> None:
    held = claimed(store)
    first, second = store.jobs.events(held.id)
    assert store.jobs.events(held.id, after=first.id) == (second,)
    assert store.jobs.events(held.id, limit=1) == (first,)
    with pytest.raises(JobNotFound):
        store.jobs.events("job_none")


def test_old_progress_is_forgotten_and_nothing_else(settings: Settings, clock: Clock) -> None:
    store = Store.open(settings.model_copy(update={"max_events": 5}), clock=clock)
    held, other = claimed(store), claimed(store)
    store.jobs.note(held, "left_out", {"file": "a"})
    for n in range(12):
        store.jobs.progress(held, Progress(phase="train", step=n, total=12))
    store.jobs.progress(other, Progress(phase="train", step=1, total=12))
    last = store.jobs.events(held.id)[-1].id
    store.jobs.thin_events()
    store.jobs.thin_events()
    told = store.jobs.events(held.id)
    assert [event.data["step"] for event in told if event.kind == "progress"] == [7, 8, 9, 10, 11]
    assert [event.kind for event in told if event.kind != "progress"] == ["queued", "claimed", "left_out", "phase"]
    assert told[-1].id == last
    assert kinds(store, other) == ["queued", "claimed", "phase", "progress"]
    store.close()


def test_unknown_jobs_are_not_found(store: Store) -> None:
    with pytest.raises(JobNotFound):
        store.jobs.get("job_none")
    with pytest.raises(JobNotFound):
        store.jobs.request_cancel("job_none")


def asked(key_id: str, body_sha256: str, route: str = "/jobs/evaluate") -> Once:
    return Once(key_id=key_id, route=route, idempotency_key="abc", body_sha256=body_sha256)


def test_the_same_request_twice_is_one_job(store: Store, clock: Clock) -> None:
    once = asked("key_1", "1" * 64)
    assert store.idempotency.find(once) is None
    job = store.jobs.add("evaluate", SPEC, once=once)
    assert store.jobs.add("evaluate", SPEC, once=once) == job
    assert store.idempotency.find(once) == {"id": job.id}
    others = [asked("key_2", "2" * 64), asked("key_1", "2" * 64, "/jobs/elsewhere")]
    assert job.id not in {store.jobs.add("evaluate", SPEC, once=other).id for other in others}
    different = asked("key_1", "2" * 64)
    with pytest.raises(IdempotencyConflict):
        store.jobs.add("evaluate", SPEC, once=different)
    with pytest.raises(IdempotencyConflict):
        store.idempotency.find(different)
    assert store.idempotency.forget(clock()) == 0
    assert store.idempotency.forget(clock() + KEEP_S + 1) == 3
    assert store.idempotency.find(once) is None
