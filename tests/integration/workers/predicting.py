"""Models, videos and prediction jobs that are tiny."""

import io
import json
from typing import Any

import torch

from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_core.skeleton import FLIC
from pfa_store.job_record import Job
from pfa_store.specs import PredictSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip

LABELS = ("run", "walk", "wave")


def publish(store: Store, task: str) -> str:
    """A model with random weights; `name@version`."""
    config = ModelConfig(
        kind="pose" if task == "pose" else "action",
        net=NetConfig(width=1 / 32, crop_px=64, norm="batch"),
        joints=FLIC if task == "pose" else None,
        labels=LABELS if task == "action" else (),
        settings={"short_side_px": 64, "test_frames": 3} if task == "action" else {},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(config)
    folder = store.files.root / "tmp" / f"a-{task}-model"
    manifest = save_model(folder, module, config=config, lineage=Lineage(seed=0), metrics={})
    return store.models.publish(folder, f"a-{task}-model", None, manifest=manifest).ref


def predicting(store: Store, task: Any, model: str, *, num_frames: tuple[int, ...], config: dict[str, Any]) -> Job:
    """A queued prediction job about clips of so many frames."""
    videos = [
        store.videos.add(io.BytesIO(moving_clip(num_frames=count, seed=seed)), filename=f"clip-{seed}.mp4")[0].id
        for seed, count in enumerate(num_frames)
    ]
    return store.jobs.add("predict", PredictSpec(task=task, model=model, videos=videos, config=config))


def left(store: Store, job: Job) -> dict[str, bytes]:
    """The files that a job left, by name."""
    now = store.jobs.get(job.id)
    return {path.name: path.read_bytes() for path in store.files.job_files(now.id, now.token).iterdir()}


def told(store: Store, job: Job) -> Any:
    """Its result, as it is."""
    return json.loads(json.dumps(store.jobs.get(job.id).result))
