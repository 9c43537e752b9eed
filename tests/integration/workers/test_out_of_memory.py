"""Memory that runs out: once more with half the batch, in a run of its own, then the job fails with advice."""

import io
from typing import Any

import pytest

from pfa_store.datasets import VideoItem
from pfa_store.job_record import Job
from pfa_store.specs import FinetuneSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.test_supervisor import supervise
from tests.integration.workers.training import training
from workers.batch_size import smaller_batch
from workers.turn import run_job

TOO_MANY = 2**44
"""Clips in a batch: the numbers of the clips alone are 128 TiB, and 64 TiB with half of it."""


def finetuning(store: Store, *, batch_size: int, steps: int = 3) -> Job:
    items = []
    for seed in range(4):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=8, seed=seed)), filename=f"{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=f"{seed % 2}", split="train" if seed < 2 else "val"))
    dataset = store.datasets.create_from_videos("clips", items).id
    learn = {"batch_size": batch_size, "steps": steps, "validate_every_steps": steps, "checkpoint_every_steps": 20}
    config: dict[str, Any] = {
        "net": {"width": 1 / 32, "crop_px": 64, "norm": "batch"}, "short_side_px": 64, "learn": learn, "test_frames": 2,
    }  # fmt: skip
    return store.jobs.add("finetune", FinetuneSpec(task="action", dataset=dataset, name="mover", config=config))


def test_it_is_tried_with_half_the_batch_and_then_fails_with_advice(store: Store) -> None:
    job = finetuning(store, batch_size=TOO_MANY)
    run_job(job.id, store)
    job = store.jobs.get(job.id)
    assert (job.status, job.half_batch, job.attempt) == ("queued", True, 0), job
    (told,) = [event.data for event in store.jobs.events(job.id) if event.kind == "out_of_memory"]
    assert told["batch_size"] == TOO_MANY // 2
    assert "128. TiB" in told["message"]
    run_job(job.id, store)
    job = store.jobs.get(job.id)
    assert (job.status, job.error_code) == ("failed", "out_of_memory")
    assert job.error_message is not None
    assert job.error_message.startswith("With half the batch, too: Memory ran out (Unable to allocate 64.0 TiB")
    assert "Set config.learn.batch_size lower" in job.error_message


def test_half_a_batch_never_goes_on_from_a_checkpoint_of_the_whole(store: Store) -> None:
    """A checkpoint of the whole batch is there when memory runs out. The run begins anew, and says so."""
    job = training(store, steps=200, batch_size=4)
    job = supervise(store, job, lambda: store.jobs.request_pause(job.id), at_least=25)
    whole = {path: path.read_bytes() for path in store.files.job_checkpoints(job.id).iterdir()}
    assert whole
    store.jobs.request_resume(job.id)
    held = store.jobs.claim(job.id, "this test")
    assert held is not None
    fewer = smaller_batch(held)
    assert fewer == 2
    store.jobs.halve_batch(held, "CUDA out of memory.", batch_size=fewer)
    before = store.jobs.events(job.id, limit=1000)[-1].id

    def look() -> None:
        assert {path: path.read_bytes() for path in whole} == whole
        store.jobs.request_pause(job.id)

    job = supervise(store, job, look, at_least=1)
    after = [event.data for event in store.jobs.events(job.id, after=before, limit=1000)]
    assert next(data["step"] for data in after if data.get("phase") == "train" and "step" in data) == 1
    assert list(store.files.job_checkpoints(job.id, half_batch=True).glob("step-*.json"))
    store.jobs.request_resume(job.id)
    run_job(job.id, store)
    job = store.jobs.get(job.id)
    assert (job.status, job.attempt) == ("succeeded", 1), job
    assert job.result is not None
    assert job.result["batch_size"] == {"asked": 4, "used": 2}
    for half in (False, True):
        assert not store.files.job_checkpoints(job.id, half_batch=half).exists()


@pytest.mark.parametrize(("batch_size", "fewer"), [(32, 16), (5, 2), (2, 1), (1, None)])
def test_what_half_a_batch_is(store: Store, batch_size: int, fewer: int | None) -> None:
    """One clip is the least that a batch of finetuning can hold."""
    assert smaller_batch(finetuning(store, batch_size=batch_size)) == fewer


def test_pretraining_needs_two_for_each_device(store: Store) -> None:
    """Negatives come from other videos of the batch, and each device has a part of it."""
    assert smaller_batch(training(store, steps=1, batch_size=4)) == 2
    assert smaller_batch(training(store, steps=1, batch_size=2)) is None
    assert smaller_batch(training(store, steps=1, batch_size=8, devices=2)) == 4
    assert smaller_batch(training(store, steps=1, batch_size=4, devices=2)) is None
    assert smaller_batch(training(store, steps=1, batch_size=12, devices=2)) == 6
    assert smaller_batch(training(store, steps=1, batch_size=10, devices=2)) is None, "5 is odd"
