"""Jobs through a real broker and real worker processes, and what happens when any of them is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from pfa_core.errors import PackDamaged
from pfa_core.packs import Pack
from pfa_store.job_record import Job, JobEvent
from pfa_store.specs import FlowSpec, PretrainSpec
from pfa_store.store import Store
from tests.integration.broker import Broker
from tests.integration.workers.service import Service
from tests.integration.workers.training import PACK, trained_steps, training, upload
from tests.processes import parent_of
from tests.waiting import wait_for
from workers.supervisor import environment_of


def done(store: Store, job: Job, *, timeout_s: float = 300) -> Job:
    return wait_for(lambda: _done(store, job), what=f"the end of the {job.kind} job", timeout_s=timeout_s)


def _done(store: Store, job: Job) -> Job | None:
    now = store.jobs.get(job.id)
    return now if now.done else None


def first_step(events: Sequence[JobEvent]) -> int:
    """The first step of training that these events tell of."""
    return next(event.data["step"] for event in events if event.kind == "progress" and event.data["phase"] == "train")


def test_flow_from_upload_to_packs(store: Store, service: Service) -> None:
    service.start()
    good = [upload(store, num_frames=count, seed=count) for count in (6, 9)]
    short = upload(store, num_frames=1, seed=1)
    spec = FlowSpec(videos=[video.id for video in (*good, short)], config=PACK)
    job = store.jobs.add("flow", spec)
    assert store.queue.ring(job)
    job = done(store, job)
    assert job.error_message is None
    assert job.result is not None
    assert (job.result["packs"], job.result["pairs"]) == (2, 5 + 8)
    (left_out,) = job.result["left_out"]
    assert (left_out["video"], left_out["file"], left_out["code"]) == (short.id, "clip-1.mp4", "video_too_short")
    kinds = [event.kind for event in store.jobs.events(job.id)]
    assert kinds[:2] == ["queued", "claimed"]
    assert kinds[-2:] == ["left_out", "succeeded"]
    assert not service.processes("workers.runner")
    assert not store.files.job_out(job.id, job.token).exists()


def test_a_damaged_pack_is_built_again_and_never_trained_on(store: Store, service: Service) -> None:
    """One bit of one frame: nothing but its checksum tells."""
    service.start()
    first = training(store, steps=2)
    store.queue.ring(first)
    assert done(store, first).status == "succeeded"
    whole, other = [pack.folder for pack in store.packs.list()]
    frames = (whole / "frames.bin").read_bytes()
    at = len(frames) // 2
    (whole / "frames.bin").write_bytes(frames[:at] + bytes([frames[at] ^ 1]) + frames[at + 1 :])
    Pack.open(whole, verify=False)
    with pytest.raises(PackDamaged):
        Pack.open(whole)
    stamps = {path: path.stat().st_mtime_ns for path in other.iterdir()}
    second = training(store, steps=2)
    store.queue.ring(second)
    second = done(store, second)
    assert second.status == "succeeded"
    assert second.result is not None
    assert second.result["left_out"] == []
    assert (whole / "frames.bin").read_bytes() == frames
    assert {path: path.stat().st_mtime_ns for path in other.iterdir()} == stamps, "the other was taken as it is"
    metrics = [store.models.resolve(name).metrics for name in ("tiny@1", "tiny@2")]
    assert metrics[0] == metrics[1], "both learned from the same frames"


def test_two_jobs_at_once_compute_a_pack_once(store: Store) -> None:
    """Two runners, each in processes of its own, want the pack of the same video."""
    video = upload(store, num_frames=200, seed=1)
    jobs = [store.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK)) for _ in range(2)]
    code = "import sys; from pfa_store.settings import Settings; from pfa_store.store import Store;"
    code += "from workers.turn import run_job; run_job(sys.argv[1], Store.open(Settings()))"
    runners = [
        subprocess.Popen([sys.executable, "-c", code, job.id], env=environment_of(store.settings)) for job in jobs
    ]
    assert [runner.wait(120) for runner in runners] == [0, 0]
    assert [store.jobs.get(job.id).result for job in jobs] == [{"packs": 1, "pairs": 199, "left_out": []}] * 2
    (pack,) = store.packs.list()
    assert pack.finished
    steps = [
        {event.data["step"] for event in store.jobs.events(job.id, limit=1000) if event.kind == "progress"}
        for job in jobs
    ]
    assert min(len(told - {0, 199}) for told in steps) == 0, "one of them computed nothing"


def test_a_running_job_is_cancelled_when_its_process_is_gone(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=1_000_000)
    store.queue.ring(job)
    trained_steps(store, job, at_least=1)
    assert store.jobs.request_cancel(job.id).status == "cancelling"
    wait_for(lambda: store.jobs.get(job.id).done, what="the cancellation")
    assert not service.processes("workers.runner")
    assert store.jobs.get(job.id).status == "cancelled"
    assert list((store.files.job_work(job.id) / "checkpoints").glob("*.json"))
    assert store.models.list() == ()


@pytest.mark.parametrize("victim", ["pool process", "celery", "runner"])
def test_a_killed_worker_is_replaced_and_the_job_goes_on(store: Store, service: Service, victim: str) -> None:
    service.start()
    job = training(store, steps=800)
    store.queue.ring(job)
    trained_steps(store, job, at_least=40)
    (runner,) = service.processes("workers.runner")
    worker = store.jobs.get(job.id).worker
    assert worker is not None
    pool_process = int(worker.rpartition(":")[2])
    celery = parent_of(pool_process)
    os.kill({"pool process": pool_process, "celery": celery, "runner": runner}[victim], signal.SIGKILL)
    wait_for(lambda: runner not in service.processes(), what="the runner's death")
    job = done(store, job)
    assert (job.status, job.attempt) == ("succeeded", 2), job
    events = store.jobs.events(job.id, limit=1000)
    again = [event.kind for event in events].index("handed_back")
    assert first_step(events[again:]) > 20, "it went on from a checkpoint"
    assert store.models.resolve("tiny").job_id == job.id
    assert not (store.files.job_work(job.id) / "checkpoints").exists(), "nothing will go on from them"


def test_a_shutdown_leaves_no_process_and_loses_no_step(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=600)
    store.queue.ring(job)
    seen = trained_steps(store, job, at_least=5)
    service.stop()
    job = store.jobs.get(job.id)
    assert (job.status, job.attempt) == ("queued", 0)
    service.start()
    job = done(store, job)
    assert (job.status, job.attempt) == ("succeeded", 1)
    claims = [event.id for event in store.jobs.events(job.id, limit=1000) if event.kind == "claimed"]
    assert first_step(store.jobs.events(job.id, after=claims[-1])) > seen


def test_killing_the_service_leaves_no_process(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=1_000_000)
    store.queue.ring(job)
    trained_steps(store, job, at_least=1)
    service.stop(signal.SIGKILL)


def test_without_a_broker_jobs_only_wait(store: Store, service: Service, broker: Broker) -> None:
    broker.stop()
    video = upload(store, num_frames=4, seed=3)
    job = store.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK))
    assert not store.queue.ring(job)
    assert store.jobs.get(job.id).rung_s is None
    service.start()
    broker.start()
    assert done(store, job).status == "succeeded"


def test_a_broker_that_dies_disturbs_no_running_job(store: Store, service: Service, broker: Broker) -> None:
    service.start()
    first = training(store, steps=300)
    store.queue.ring(first)
    trained_steps(store, first, at_least=1)
    broker.stop()
    second = store.jobs.add("flow", FlowSpec(videos=[upload(store, num_frames=4, seed=3).id], config=PACK))
    broker.start()
    for job in (first, second):
        finished = done(store, job)
        assert (finished.status, finished.attempt) == ("succeeded", 1)


def test_a_job_that_cannot_be_done_says_why(store: Store, service: Service) -> None:
    service.start()
    video = upload(store, num_frames=1, seed=5)
    job = store.jobs.add("pretrain", PretrainSpec(videos=[video.id], config={"pack": {"backend": "dis"}}))
    store.queue.ring(job)
    job = done(store, job)
    assert (job.status, job.error_code) == ("failed", "no_usable_videos")
    assert "the job failed" in store.files.job_log(job.id).read_text()
