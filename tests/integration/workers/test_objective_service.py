"""An objective through a real broker and real worker processes."""

import io
from typing import Any

from pfa_core.models import load_model
from pfa_store.datasets import VideoItem
from pfa_store.specs import FinetuneSpec, PretrainSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.ended import succeeded
from tests.integration.workers.service import Service
from tests.integration.workers.training import PACK

NET = {"width": 1 / 32, "crop_px": 64, "norm": "batch"}
LEARN = {"batch_size": 4, "steps": 3, "validate_every_steps": 1, "checkpoint_every_steps": 3}


def test_a_model_of_ranking_starts_an_action_model(store: Store, service: Service) -> None:
    service.start()
    items = []
    for seed, label in enumerate(["left", "right", "left", "right"]):
        clip = moving_clip(num_frames=8, seed=seed)
        video, _ = store.videos.add(io.BytesIO(clip), filename=f"{label}-{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=label, split="val" if seed > 1 else "train"))
    dataset = store.datasets.create_from_videos("clips", items).id
    ranking: dict[str, Any] = {
        "net": NET, "learn": LEARN, "pack": PACK, "gap_frames": 3, "patch_px": 32, "val_pairs": 4,
        "camera_share": 1.0,  # these clips pan as a whole
    }  # fmt: skip
    spec = PretrainSpec(dataset=dataset, name="ranker", objective="ranking", config=ranking)
    result = succeeded(store, store.jobs.add("pretrain", spec))
    assert result["model"] == "ranker@1"
    assert result["metrics"]["chance"] == 0.5
    assert result["metrics"]["held_out_videos"] == 2

    action: dict[str, Any] = {"net": NET, "learn": LEARN, "short_side_px": 64, "test_frames": 2}
    tuned = FinetuneSpec(task="action", dataset=dataset, init="ranker", name="mover", config=action)
    assert succeeded(store, store.jobs.add("finetune", tuned))["model"] == "mover@1"
    _, manifest = load_model(store.models.folder(store.models.resolve("mover")))
    assert manifest.lineage.parent == "ranker@1"
