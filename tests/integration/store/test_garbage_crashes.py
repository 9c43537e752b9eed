"""A sweep that is killed between any two changes leaves a store that tells the truth, and the next one finishes."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pfa_store.errors import Removed
from pfa_store.job_record import Job
from pfa_store.removed import need_curve, need_files, need_log
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.store.clock import Clock

DAY_S = 24 * 3600.0


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings, clock=Clock(time.time()))
    yield opened
    opened.close()


def ended(store: Store, *, failed: bool) -> Job:
    store.jobs.add("flow", {"videos": ["vid_a"]})
    job = store.jobs.claim_next("flow", "w")
    assert job is not None
    files = store.files
    for path in (
        files.job_log(job.id),
        files.job_metrics(job.id),
        files.job_checkpoints(job.id) / "step-1.safetensors",
        files.job_files(job.id, job.token) / "report.csv",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"whole")
    return store.jobs.fail(job, "internal", "no") if failed else store.jobs.succeed(job, {})


def assert_true(store: Store, job: Job) -> None:
    """What is not said to be gone is there, whole."""
    now, files = store.jobs.get(job.id), store.files
    for need, path in (
        (need_log, files.job_log(job.id)),
        (need_curve, files.job_metrics(job.id)),
        (need_files, files.job_files(job.id, job.token) / "report.csv"),
    ):
        if now.status == "failed" and need is need_files:
            continue  # never shown
        try:
            need(now)
        except Removed:
            continue
        assert path.read_bytes() == b"whole", path
    if now.status == "failed" and now.checkpoints_gone_s is None:
        assert (files.job_checkpoints(job.id) / "step-1.safetensors").read_bytes() == b"whole"
    events = [event.kind for event in store.jobs.events(job.id)]
    assert events == ["history_removed"] if now.history_gone_s else "claimed" in events


def test_killed_again_and_again_it_gets_done(store: Store, settings: Settings) -> None:
    jobs = [ended(store, failed=failed) for failed in (False, True)]
    going_on = store.jobs.add("flow", {"videos": ["vid_a"]})
    kept = store.files.job_checkpoints(going_on.id) / "step-1.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"whole")
    (store.files.root / "tmp" / "left").mkdir()
    now_s = time.time() + 400 * DAY_S
    codes: list[int] = []
    while not codes or codes[-1] != 0:
        nth = 1 + len(codes) * (len(codes) + 1) // 2  # at its first change, its second, its fourth, ...
        held_until_s = now_s + 400 * len(codes)  # whoever died holds the chore for some minutes
        arguments = [str(settings.data_dir), settings.database_url, str(held_until_s), str(nth)]
        command = [sys.executable, "-m", "tests.integration.store.killed_sweep", *arguments]
        codes.append(subprocess.run(command, check=False, timeout=60).returncode)
        for job in jobs:
            assert_true(store, job)
        assert kept.read_bytes() == b"whole"
        assert len(codes) < 12
    assert len(codes) > 4
    assert set(codes) == {0, -9}
    for job in jobs:
        assert [path for path in store.files.job(job.id).rglob("*") if path.is_file()] == []
        assert store.jobs.get(job.id).history_gone_s is not None
    late = Store.open(settings, clock=lambda: now_s + 3 * DAY_S)  # what was on its way out is old by now
    assert {piece.kind for piece in late.sweeper.sweep() if piece is not None} <= {"temporary"}
    assert list((late.files.root / "tmp").iterdir()) == []
    late.close()
