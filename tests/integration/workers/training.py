"""A training job that is tiny in all but its number of steps."""

import io
from typing import Any

from pfa_store.job_record import Job
from pfa_store.specs import PretrainSpec
from pfa_store.store import Store
from pfa_store.videos import Video
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

PACK = {"short_side_px": 64, "backend": "dis"}


def upload(store: Store, *, num_frames: int, seed: int) -> Video:
    """A small clip, uploaded."""
    clip = moving_clip(num_frames=num_frames, seed=seed)
    return store.videos.add(io.BytesIO(clip), filename=f"clip-{seed}.mp4")[0]


def training(store: Store, *, steps: int, devices: int = 1, batch_size: int | None = None) -> Job:
    """A queued pretraining job of tiny steps."""
    videos = [upload(store, num_frames=8, seed=seed).id for seed in (1, 2)]
    config: dict[str, Any] = {
        "net": {"width": 1 / 32, "crop_px": 64},
        "pack": PACK,
        "gap_frames": 2,
        "val_triplets": 2,
        "devices": devices,
        "learn": {
            "batch_size": batch_size or 2 * devices,
            "steps": steps,
            "validate_every_steps": steps,
            "checkpoint_every_steps": 20,
        },
    }
    return store.jobs.add("pretrain", PretrainSpec(videos=videos, name="tiny", config=config))


def trained_steps(store: Store, job: Job, *, at_least: int) -> int:
    """Wait until the job has made that many steps."""
    return wait_for(
        lambda: now.step if (now := store.jobs.get(job.id)).phase == "train" and now.step >= at_least else None,
        what=f"step {at_least} of the training",
        timeout_s=240,
    )
