"""Two streams through a real broker and real workers: missing packs first, then training, then an evaluation."""

import io
from typing import Any

from pfa_core.models import load_model
from pfa_core.nets.action import TwoStreamNet
from pfa_store.datasets import VideoItem
from pfa_store.specs import EvaluateSpec, FinetuneSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.ended import succeeded
from tests.integration.workers.service import Service
from tests.integration.workers.training import PACK


def test_a_job_of_two_streams_makes_its_packs_and_leaves_out_what_has_none(store: Store, service: Service) -> None:
    service.start()
    items = []
    for seed, label in enumerate(["left", "right", "left", "left"]):
        clip = moving_clip(num_frames=1 if seed == 3 else 12, seed=seed)
        video, _ = store.videos.add(io.BytesIO(clip), filename=f"{label}-{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=label, split="test" if seed == 2 else "train"))
    dataset = store.datasets.create_from_videos("clips", items).id
    config: dict[str, Any] = {
        "net": {"width": 1 / 32, "crop_px": 64, "norm": "batch"},
        "learn": {"batch_size": 4, "steps": 3, "validate_every_steps": 3, "checkpoint_every_steps": 3},
        "short_side_px": 64,
        "test_frames": 2,
        "two_stream": True,
        "motion": {"pack": PACK, "gap_frames": 3, "test_blocks": 2},
    }
    spec = FinetuneSpec(task="action", dataset=dataset, name="two", config=config)
    result = succeeded(store, store.jobs.add("finetune", spec))
    assert result["model"] == "two@1"
    assert [(one["file"], one["code"]) for one in result["left_out"]] == [("left-3.mp4", "video_too_short")]
    assert sum(pack.finished for pack in store.packs.list()) == 2  # what is kept for the test is not even packed
    module, manifest = load_model(store.models.folder(store.models.resolve("two")))
    assert isinstance(module, TwoStreamNet)
    assert manifest.lineage.motion_start == "random"
    assert {store.videos.get(items[n].video_id).sha256 for n in (0, 1)} <= set(manifest.lineage.items_sha256)
    assert store.videos.get(items[3].video_id).sha256 not in manifest.lineage.items_sha256
    scored = succeeded(store, store.jobs.add("evaluate", EvaluateSpec(dataset=dataset, model="two")))
    assert set(scored["metrics"]["streams"]) == {"appearance", "motion", "fused"}
    assert scored["metrics"]["streams"]["motion"]["num_clips"] == 1
