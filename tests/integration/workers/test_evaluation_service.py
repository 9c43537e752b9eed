"""An evaluation by real workers: its files are still there when its processes and their scratch are gone."""

import io
import json

from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_store.datasets import VideoItem
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.service import Service
from tests.waiting import wait_for


def test_files_outlive_the_attempt(store: Store, service: Service) -> None:
    config = ModelConfig(
        kind="action",
        net=NetConfig(width=1 / 32, crop_px=64, norm="batch"),
        labels=("left", "right"),
        settings={"short_side_px": 64, "test_frames": 2},
    )
    folder = store.files.root / "tmp" / "model"
    manifest = save_model(folder, build(config), config=config, lineage=Lineage(seed=0), metrics={})
    model = store.models.publish(folder, "mover", None, manifest=manifest)
    items = []
    for seed, label in enumerate(config.labels):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=8, seed=seed)), filename=f"{label}.mp4")
        items.append(VideoItem(video_id=video.id, label=label))
    store.datasets.create_from_videos("clips", items)
    job = store.jobs.add("evaluate", EvaluateSpec(dataset="clips", model=model.ref))
    service.start()
    wait_for(lambda: store.jobs.get(job.id).done, what="the end of the evaluation", timeout_s=90)
    service.stop()  # and with it whatever it still clears away
    ended = store.jobs.get(job.id)
    assert ended.status == "succeeded", ended.error_message
    assert ended.result is not None
    left = store.files.job_files(job.id, ended.token)
    assert sorted(path.name for path in left.iterdir()) == sorted(ended.result["files"])
    everything = json.loads((left / "evaluation.json").read_bytes())
    assert everything["metrics"] == ended.result["metrics"]
    assert (everything["model"], everything["job"]) == (model.ref, job.id)
    assert not store.files.job_out(job.id, ended.token).exists()
