"""Whatever happens in whatever order: what something needs is never removed, and what nothing needs is, in time.

What is needed until when is written down here as things happen, from what the documentation promises, and compared
with the disk after every sweep.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfa_store.job_record import Job
from pfa_store.schema import VideoRow
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.store.clock import Clock

DAY_S = 24 * 3600.0
HISTORY, FILES, CHECKPOINTS, ORPHANS = 10 * DAY_S, 20 * DAY_S, 40 * DAY_S, DAY_S
DAYS = (0.4, 1.7, 11.3, 60.9)
HAPPENINGS = (
    "upload", "drop_video", "pack", "work", "work", "succeed", "fail", "cancel", "retry", "pause", "leave", "wait",
    "wait", "sweep",
)  # fmt: skip


class World:
    """An installation, and until when each of its files is needed; None: for as long as nothing changes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.until_s: dict[Path, float | None] = {}
        self.born_s: dict[Path, float] = {}
        self.jobs: dict[str, tuple[Job, int]] = {}

    def write(self, path: Path, until_s: float | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (self.clock(), self.clock()))
        self.born_s[path] = self.clock()
        self.until_s[path] = until_s

    def is_over(self, *paths: Path, until_s: float | None = None) -> None:
        """Nobody needs them from now on: they go at `until_s`, or when they are old."""
        for path in paths:
            if path in self.until_s:
                self.until_s[path] = self.born_s[path] + ORPHANS if until_s is None else until_s

    def video(self, number: int) -> Path:
        return self.store.files.video(f"{number}" * 64, "mp4")

    def pack_file(self, number: int) -> Path:
        return self.store.files.pack(f"{number}" * 64, "ab" * 32) / "frames.bin"

    def has_row(self, number: int) -> bool:
        with self.store.sessions.reading() as session:
            return session.get(VideoRow, f"vid_{number}") is not None

    def upload(self, number: int) -> None:
        if self.has_row(number):
            return
        self.write(self.video(number))
        row = VideoRow(
            id=f"vid_{number}", sha256=f"{number}" * 64, filename="a.mp4", num_bytes=1, container="mp4", codec="h264",
            width_px=8, height_px=8, rotation_deg=0, num_frames=9, fps=25, duration_s=1, still=False,
            created_s=self.clock(),
        )  # fmt: skip
        with self.store.sessions.writing() as session:
            session.add(row)
        if self.pack_file(number) in self.until_s:
            self.until_s[self.pack_file(number)] = None

    def drop_video(self, number: int) -> None:
        """Its row goes and its files stay, as after a crash."""
        if self.has_row(number) and all(of != number or job.done for job, of in self.jobs.values()):
            with self.store.sessions.writing() as session:
                session.delete(session.get_one(VideoRow, f"vid_{number}"))
            self.is_over(self.video(number), self.pack_file(number))

    def pack(self, number: int) -> None:
        path = self.pack_file(number)
        self.write(path, None if self.has_row(number) else self.clock() + ORPHANS)
        os.utime(path.parent, (self.clock(), self.clock()))

    def of_job(self, job: Job) -> dict[str, Path]:
        files = self.store.files
        return {
            "log": files.job_log(job.id),
            "curve": files.job_metrics(job.id),
            "checkpoint": files.job_checkpoints(job.id) / "step-1.json",
            "out": files.job_out(job.id, job.token) / "outcome.json",
            "file": files.job_files(job.id, job.token) / "report.csv",
        }

    def work(self, number: int) -> None:
        """A worker takes a job and writes all there is to write."""
        if not self.has_row(number):
            return
        self.store.jobs.add("flow", {"videos": [f"vid_{number}"]})
        self.take(number)

    def take(self, number: int) -> None:
        job = self.store.jobs.claim_next("flow", "w")
        assert job is not None
        self.jobs[job.id] = (job, number)
        for path in self.of_job(job).values():
            self.write(path)

    def chosen(self, number: int, *statuses: str) -> tuple[Job, int] | None:
        fitting = [entry for entry in self.jobs.values() if entry[0].status in statuses]
        return fitting[number % len(fitting)] if fitting else None

    def end(self, number: int, how: str) -> None:
        chosen = self.chosen(number, "running")
        if chosen is None:
            return
        job, video = chosen
        paths = self.of_job(job)
        if how == "succeed":
            ended = self.store.jobs.succeed(job, {})
        elif how == "fail":
            ended = self.store.jobs.fail(job, "internal", "no")
        else:
            self.store.jobs.request_cancel(job.id)
            ended = self.store.jobs.finish_cancel(job)
        self.jobs[job.id] = (ended, video)
        now_s = self.clock()
        good = how == "succeed"
        self.is_over(paths["out"])
        self.is_over(paths["log"], until_s=now_s + HISTORY)
        self.is_over(paths["curve"], until_s=now_s + (HISTORY if good else CHECKPOINTS))
        self.is_over(paths["checkpoint"], until_s=now_s + (ORPHANS if good else CHECKPOINTS))
        self.is_over(paths["file"], until_s=now_s + FILES if good else None)

    def retry(self, number: int) -> None:
        chosen = self.chosen(number, "failed", "cancelled")
        if chosen is None or not self.has_row(chosen[1]):
            return
        self.store.jobs.request_retry(chosen[0].id)
        self.take(chosen[1])

    def pause(self, number: int) -> None:
        chosen = self.chosen(number, "running")
        if chosen is not None:
            self.store.jobs.request_pause(chosen[0].id)
            paused = self.store.jobs.finish_pause(chosen[0])
            self.jobs[paused.id] = (paused, chosen[1])
            paths = self.of_job(chosen[0])
            self.is_over(paths["out"], paths["file"])

    def leave(self, number: int) -> None:
        """A process dies, and leaves something behind."""
        files = self.store.files
        paths = (files.root / "tmp" / f"left-{number}", files.upload(f"up_{number}"), files.job(f"job_{number}") / "a")
        for path in paths:
            self.write(path, self.clock() + ORPHANS)

    def sweep(self) -> None:
        for _ in self.store.sweeper.sweep():
            pass
        now_s = self.clock()
        for path, until_s in list(self.until_s.items()):
            due = until_s is not None and now_s > until_s
            assert path.exists() is not due, (path, until_s, now_s)
            if due:
                del self.until_s[path]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with nothing in it, to be copied: that is quicker than all its migrations."""
    folder = tmp_path_factory.mktemp("template") / "data"
    Store.open(Settings(data_dir=folder, min_free_bytes=0)).close()
    return folder


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(history=st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 3)), min_size=10, max_size=60))
def test_what_is_needed_stays_and_the_rest_goes(
    template: Path, tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("history") / "data"
    shutil.copytree(template, folder)
    kept = {"keep_history_days": 10, "keep_files_days": 20, "keep_checkpoints_days": 40}
    clock = Clock(time.time())
    store = Store.open(Settings(data_dir=folder, min_free_bytes=0).model_copy(update=kept), clock=clock, migrate=False)
    world = World(store, clock)
    for what, number in [*history, ("sweep", 0), ("wait", 3), ("sweep", 0)]:
        if what == "wait":
            clock.pass_s(DAYS[number] * DAY_S)
        elif what in ("succeed", "fail", "cancel"):
            world.end(number, what)
        elif what == "sweep":
            world.sweep()
        else:
            getattr(world, what)(number)
    store.close()
