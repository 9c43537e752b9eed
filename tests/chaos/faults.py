"""What goes wrong: each fault strikes once, and returns when it is over and the service may begin to recover."""

import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from pfa_store.job_record import Job
from tests.chaos.scene import AT_REST, Scene
from tests.chaos.stack import LEASE_S, Role, kill
from tests.chaos.work import Wanted
from tests.processes import alive, command_of
from tests.waiting import wait_for

Fault = Callable[[Scene], None]


def killing(role: Role) -> Fault:
    """SIGKILL to a process that plays this part, while there is work."""

    def strike(scene: Scene) -> None:
        if role in ("runner", "pool"):
            scene.in_training()
        scene.some_time(1.0)
        victim = scene.rng.choice(scene.stack.some(role))
        kill(victim)
        wait_for(lambda: not alive(victim), what=f"the death of {role}")

    return strike


def flush_broker(scene: Scene) -> None:
    """The broker forgets every message."""
    with scene.stack.broker() as client:
        client.flushall()


def freeze_broker(scene: Scene) -> None:
    """The broker accepts connections and answers nothing, for some seconds."""
    (pid,) = scene.stack.some("broker")
    kill(pid, signal.SIGSTOP)
    scene.some_time(5.0 * scene.scale)
    kill(pid, signal.SIGCONT)


def lock_database(scene: Scene) -> None:
    """Another process keeps the database's write lock, perhaps beyond the leases."""
    with closing(sqlite3.connect(scene.stack.database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        scene.some_time(1.5 * LEASE_S * scene.scale)
        connection.execute("ROLLBACK")


def fill_disk(scene: Scene) -> None:
    """A runner's files may not grow any more: what it writes fails, be it a checkpoint, a curve or the database.

    A limit of the process stands in for a full disk, so that nothing else on this machine is disturbed.
    """
    _, pid = scene.in_training()
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (scene.rng.randrange(1, 4096), hard))
        scene.some_time(3.0)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def ring_twice(scene: Scene) -> None:
    """Every unfinished job's bell is delivered again, and once more."""
    for wanted in scene.customer.jobs:
        job = scene.look(wanted)
        if not job.done:
            for _ in range(2):
                scene.stack.store.queue.ring(job)


def zombie(scene: Scene) -> None:
    """A runner, its supervisor or both stand still until the job's lease has run out, and then go on."""
    job, runner = scene.in_training()
    assert job.worker is not None
    supervisor = int(job.worker.rpartition(":")[2])
    frozen = scene.rng.choice([[supervisor], [supervisor, runner]])
    for pid in frozen:
        kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: _taken_over(scene, job), timeout_s=60, what="the end of the lease")
        scene.some_time(2.0 * scene.scale)
    finally:
        for pid in frozen:
            kill(pid, signal.SIGCONT)
    wait_for(lambda: not alive(runner), timeout_s=60, what="the end of the attempt that was taken for dead")


def _taken_over(scene: Scene, job: Job) -> bool:
    now = scene.stack.store.jobs.get(job.id)
    return now.token != job.token or not now.held


def drain(scene: Scene) -> None:
    """SIGTERM to a worker: to the second machine's, or to a Celery process alone."""
    victim = scene.rng.choice([scene.stack.second.pid, *scene.stack.pids("celery")])
    kill(victim, signal.SIGTERM)
    wait_for(lambda: not alive(victim), timeout_s=120, what="the end of the drained worker")


def truncate_checkpoint(scene: Scene) -> None:
    """A power cut: a runner dies, and half of its newest checkpoint is not there."""
    job, runner = scene.in_training(at_least=45)
    kill(runner, signal.SIGSTOP)
    checkpoints = sorted(scene.stack.store.files.job_checkpoints(job.id).glob("step-*.safetensors"))
    if len(checkpoints) > 1:
        _halve(checkpoints[-1])
    kill(runner)
    wait_for(lambda: not alive(runner), what="the death of the runner")


def truncate_pack(scene: Scene) -> None:
    """A power cut: every runner dies, and half of a finished pack is not there."""
    scene.in_training()
    runners = scene.stack.pids("runner")
    for pid in runners:
        kill(pid, signal.SIGSTOP)
    packs = [pack.folder for pack in scene.stack.store.packs.list() if pack.finished]
    if packs:
        _halve(scene.rng.choice(packs) / "frames.bin")
    for pid in runners:
        kill(pid)
    wait_for(lambda: not any(map(alive, runners)), what="the death of the runners")


def _halve(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.truncate(path, path.stat().st_size // 2)


def asking(wish: str, when: str) -> Fault:
    """Cancel a job, or pause it and let it go on, at a moment of its life: `accepted`, `claimed`, or a phase.

    A cancelled job is now and then tried again, and then has to succeed.
    """

    def strike(scene: Scene) -> None:
        wanted = scene.customer.flow(scene.rng.randrange(1000)) if when == "flow" else scene.customer.train("pretrain")
        if when != "accepted":
            wait_for(lambda: _is_at(scene.look(wanted), when), timeout_s=300, what=f"{when} of the job to {wish}")
        if wish == "pause":
            _pause_and_resume(scene, wanted)
        else:
            _cancel(scene, wanted)

    return strike


def _is_at(job: Job, when: str) -> bool:
    if when == "claimed":
        return job.status != "queued"
    return job.done or (job.phase == when and job.step > 0)


def _pause_and_resume(scene: Scene, wanted: Wanted) -> None:
    if scene.customer.ask(wanted, "pause") is None:
        return
    job = wait_for(lambda: _rests(scene.look(wanted)), timeout_s=120, what="the pause")
    if job.status == "paused":
        assert not _runs(scene, wanted), "a paused job has no process"
        scene.some_time(1.0)
        scene.customer.ask(wanted, "resume")


def _cancel(scene: Scene, wanted: Wanted) -> None:
    status = scene.customer.ask(wanted, "cancel")
    if status is None:
        return
    wanted.endings = {"cancelled"} if status == "cancelled" else {"cancelled", "succeeded"}
    job = wait_for(lambda: _rests(scene.look(wanted)), timeout_s=120, what="the cancellation")
    if job.status == "cancelled":
        assert not _runs(scene, wanted), "a cancelled job has no process"
        wanted.endings = {"cancelled"}
        if scene.rng.random() < 0.5 and scene.customer.ask(wanted, "retry"):
            wanted.endings = {"succeeded"}


def _rests(job: Job) -> Job | None:
    return job if job.status in AT_REST else None


def _runs(scene: Scene, wanted: Wanted) -> bool:
    needle = wanted.id.encode()
    return any(needle in command_of(pid) for pid in scene.stack.pids("runner"))


FAULTS: dict[str, Fault] = {
    "kill the runner": killing("runner"),
    "kill the pool process": killing("pool"),
    "kill Celery": killing("celery"),
    "kill the worker": killing("worker"),
    "kill the API": killing("api"),
    "kill the broker": killing("broker"),
    "flush the broker": flush_broker,
    "freeze the broker": freeze_broker,
    "lock the database": lock_database,
    "fill the disk": fill_disk,
    "ring twice": ring_twice,
    "make a zombie": zombie,
    "drain a worker": drain,
    "halve a checkpoint": truncate_checkpoint,
    "halve a pack": truncate_pack,
    "cancel at once": asking("cancel", "accepted"),
    "cancel once claimed": asking("cancel", "claimed"),
    "cancel in flow": asking("cancel", "flow"),
    "cancel in training": asking("cancel", "train"),
    "pause at once": asking("pause", "accepted"),
    "pause once claimed": asking("pause", "claimed"),
    "pause in flow": asking("pause", "flow"),
    "pause in training": asking("pause", "train"),
}
