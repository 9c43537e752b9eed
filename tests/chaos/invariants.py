"""What holds after every round, whatever happened in it."""

import collections
import fcntl
import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pfa_store.job_record import Job
from tests.chaos.scene import AT_REST, Scene
from tests.chaos.work import Trace, Wanted, patiently
from tests.waiting import wait_for

SETTLE_S = 600.0
"""However a round went, all its jobs are at rest by then."""

References = Mapping[str, Trace]
"""What the training job of a kind leaves in an undisturbed service."""


def settle(scene: Scene) -> None:
    """Wait until every accepted job is at rest. One that failed because the disk was full is tried again."""

    def at_rest() -> bool:
        jobs = [(wanted, scene.look(wanted)) for wanted in scene.customer.jobs]
        for wanted, job in jobs:
            if job.status == "failed" and job.error_code == "disk_full":
                scene.customer.ask(wanted, "retry")
        return all(job.status in AT_REST and job.error_code != "disk_full" for _, job in jobs)

    try:
        wait_for(at_rest, timeout_s=SETTLE_S, what="every job to be at rest")
    except AssertionError as error:
        told = [_story(scene, wanted) for wanted in scene.customer.jobs if not scene.look(wanted).done]
        raise AssertionError("\n".join([str(error), *told])) from None


def check_jobs(scene: Scene, references: References) -> None:
    """Every accepted job ended as it may, published once, and trained as if nothing had happened."""
    store = scene.stack.store
    listed = store.jobs.list(limit=200).items
    assert sorted(job.id for job in listed) == sorted(wanted.id for wanted in scene.customer.jobs), "each was made once"
    for wanted in scene.customer.jobs:
        job = scene.look(wanted)
        assert job.status in wanted.endings, _story(scene, wanted)
        if job.status != "succeeded":
            assert store.models.of_job(job.id) is None
        elif wanted.kind == "flow":
            assert job.result == {"packs": 1, "pairs": wanted.pairs, "left_out": []}
        else:
            trace = patiently(lambda: scene.customer.trace(wanted))  # noqa: B023
            reference = references[wanted.kind]
            assert trace.curve == reference.curve, _story(scene, wanted)
            assert trace.weights_sha256 == reference.weights_sha256, _story(scene, wanted)


def check_models(scene: Scene) -> None:
    """One model per succeeded training job, in the table and on the disk."""
    trained = [
        job.id for job in map(scene.look, scene.customer.jobs) if job.status == "succeeded" and job.kind != "flow"
    ]
    with closing(sqlite3.connect(scene.stack.database)) as connection:
        rows = connection.execute("SELECT job_id, folder FROM models").fetchall()
    assert collections.Counter(job_id for job_id, _ in rows) == collections.Counter(trained)
    root = scene.stack.store.files.root
    folders = {path.relative_to(root).as_posix() for path in (root / "models").glob("*/*")}
    assert folders == {folder for _, folder in rows}


def check_uploads(scene: Scene) -> None:
    """Every upload that was answered with 201 is there, byte for byte."""
    videos = scene.stack.store.videos
    for video_id, sha256 in scene.customer.uploads.items():
        video = videos.get(video_id)
        assert video.sha256 == sha256
        assert hashlib.sha256(videos.path(video).read_bytes()).hexdigest() == sha256


def check_nothing_is_held(data_dir: Path) -> None:
    """After the shutdown: no lock of a file or of the database, and the database is sound."""
    for path in data_dir.rglob("*.lock"):
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with closing(sqlite3.connect(data_dir / "pfa.sqlite3", isolation_level=None, timeout=0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("ROLLBACK")


def _story(scene: Scene, wanted: Wanted) -> str:
    """A job and all that happened to it, but its progress."""
    job: Job = scene.look(wanted)
    events = scene.stack.store.jobs.events(job.id, limit=1000)
    told = [f"  {event.at_s:.1f} {event.kind} {dict(event.data)}" for event in events if event.kind != "progress"]
    log = scene.stack.store.files.job_log(job.id)
    lines = log.read_text(errors="replace").splitlines()[-40:] if log.exists() else []
    head = f"{job.kind} job {job.id} is {job.status} ({job.error_code}: {job.error_message}), may be {wanted.endings}"
    return "\n".join([head, *told, *lines])
