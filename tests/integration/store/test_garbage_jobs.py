"""What ended jobs leave goes after its time, and nothing else does."""

import time
from collections.abc import Iterator

import pytest

from pfa_core.progress import Progress
from pfa_store.garbage.piece import Piece
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from tests.integration.store.taken import kinds

DAY_S = 24 * 3600.0
SPEC = {"videos": ["vid_a"]}


@pytest.fixture
def clock() -> Clock:
    """It begins at the machine's time, which files have."""
    return Clock(time.time())


@pytest.fixture
def store(settings: Settings, clock: Clock) -> Iterator[Store]:
    keeps = settings.model_copy(
        update={"keep_history_days": 10, "keep_files_days": 20, "keep_checkpoints_days": 5, "orphan_days": 1}
    )
    opened = Store.open(keeps, clock=clock)
    yield opened
    opened.close()


def swept(store: Store) -> list[Piece]:
    return [piece for piece in store.sweeper.sweep() if piece is not None]


def worked(store: Store) -> Job:
    """A job that a worker has, with all that one writes."""
    added = store.jobs.add("flow", SPEC)
    job = store.jobs.claim_next("flow", "w")
    assert job is not None
    assert job.id == added.id
    store.jobs.note(job, "left_out", {"file": "a"})
    store.jobs.progress(job, Progress(phase="train", step=1, total=2))
    files = store.files
    for path in (
        files.job_log(job.id),
        files.job_log(job.id).with_name("log.1.txt"),
        files.job_metrics(job.id),
        files.job_checkpoints(job.id) / "step-1.safetensors",
        files.job_files(job.id, job.token) / "report.csv",
        files.job_out(job.id, job.token) / "outcome.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n" * 2000)
    return job


def names(store: Store, job: Job) -> set[str]:
    folder = store.files.job(job.id)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


ALL = {
    "log.txt", "log.1.txt", "work/metrics.jsonl", "work/checkpoints/step-1.safetensors", "files-1/report.csv",
    "out-1/outcome.json",
}  # fmt: skip


def test_of_a_job_that_succeeded(store: Store, clock: Clock) -> None:
    job = worked(store)
    store.jobs.succeed(job, {})
    assert swept(store) == []
    clock.pass_s(1.5 * DAY_S)
    assert {piece.kind for piece in swept(store)} == {"outputs", "checkpoints"}
    assert names(store, job) == {"log.txt", "log.1.txt", "work/metrics.jsonl", "files-1/report.csv"}
    clock.pass_s(9 * DAY_S)
    before = kinds(store, job)
    assert {piece.kind for piece in swept(store)} == {"history"}
    assert before == ["queued", "claimed", "left_out", "phase", "progress", "succeeded"]
    assert kinds(store, job) == ["left_out", "history_removed"]
    assert names(store, job) == {"files-1/report.csv"}
    clock.pass_s(10 * DAY_S)
    (piece,) = swept(store)
    assert (piece.kind, piece.name, piece.num_bytes >= 4096) == ("files", f"jobs/{job.id}/files-1", True)
    assert names(store, job) == set()
    now = store.jobs.get(job.id)
    assert now.history_gone_s is not None
    assert now.files_gone_s == clock()
    assert swept(store) == []


def test_of_a_job_that_may_be_tried_again_its_curve_stays_beside_its_checkpoints(store: Store, clock: Clock) -> None:
    keeps = store.settings.model_copy(update={"keep_checkpoints_days": 0})
    with_all = Store.open(keeps, clock=clock)
    job = worked(with_all)
    with_all.jobs.fail(job, "internal", "no")
    clock.pass_s(1000 * DAY_S)
    assert {piece.kind for piece in swept(with_all)} == {"history", "outputs"}
    assert names(with_all, job) == {"work/metrics.jsonl", "work/checkpoints/step-1.safetensors"}
    with_all.close()
    assert {piece.kind for piece in swept(store)} == {"checkpoints"}
    assert names(store, job) == set()
    again = store.jobs.request_retry(job.id)
    assert (again.checkpoints_gone_s, again.history_gone_s) == (None, None)
    assert store.jobs.claim_next("flow", "w") is not None


@pytest.mark.parametrize("state", ["queued", "running", "pausing", "paused", "cancelling"])
def test_of_a_job_that_is_not_over_nothing_goes(store: Store, clock: Clock, state: str) -> None:
    """But what the attempts before it left, which may no longer write."""
    dead = worked(store)
    store.jobs.hand_back(dead, "it died")
    job = store.jobs.claim_next("flow", "w")
    assert job is not None
    for path in (store.files.job_out(job.id, job.token), store.files.job_files(job.id, job.token)):
        path.mkdir()
        (path / "part").touch()
    if state in ("pausing", "paused"):
        store.jobs.request_pause(job.id)
    if state == "cancelling":
        store.jobs.request_cancel(job.id)
    if state == "paused":
        store.jobs.finish_pause(job)
    if state == "queued":
        store.jobs.hand_back(job, "again")
    assert store.jobs.get(job.id).status == state
    clock.pass_s(1000 * DAY_S)
    num_events = len(kinds(store, job))
    assert {piece.kind for piece in swept(store)} == {"outputs"}
    held = set() if state in ("queued", "paused") else {"out-2/part", "files-2/part"}
    assert names(store, job) == ALL - {"files-1/report.csv", "out-1/outcome.json"} | held
    assert len(kinds(store, job)) == num_events


def test_a_folder_of_no_job_goes_after_a_day(store: Store, clock: Clock) -> None:
    folder = store.files.job("job_of_nobody")
    (folder / "work").mkdir(parents=True)
    assert swept(store) == []
    clock.pass_s(1.1 * DAY_S)
    (piece,) = swept(store)
    assert (piece.kind, piece.name, folder.exists()) == ("orphans", "jobs/job_of_nobody", False)


def test_saying_what_would_go_changes_nothing(store: Store, clock: Clock) -> None:
    job = worked(store)
    store.jobs.succeed(job, {})
    clock.pass_s(30 * DAY_S)
    would = [piece for piece in store.sweeper.sweep(dry_run=True) if piece is not None]
    assert names(store, job) == ALL
    assert store.jobs.get(job.id).history_gone_s is None
    did = swept(store)
    assert [(piece.kind, piece.name, piece.num_bytes) for piece in did] == [
        (piece.kind, piece.name, piece.num_bytes) for piece in would
    ]
