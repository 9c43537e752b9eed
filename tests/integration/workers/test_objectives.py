"""Every objective of pretraining as a job, and what can be started from its model."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pfa_core.images import write_png
from pfa_core.models import load_model
from pfa_core.nets.vggm import VggM
from pfa_core.progress import run_to_end
from pfa_core.retrieval import GalleryIndex
from pfa_core.skeleton import FLIC
from pfa_store.datasets import ImageItem, VideoItem
from pfa_store.settings import Settings
from pfa_store.specs import FinetuneSpec, IndexSpec, JobKind, Objective, PretrainSpec, Spec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from workers.handlers import finetune, index, pretrain
from workers.work import Handler, JobResult, Work

HANDLERS: dict[JobKind, Handler] = {"pretrain": pretrain.handle, "finetune": finetune.handle, "index": index.handle}
NET = {"width": 1 / 32, "crop_px": 64, "norm": "batch"}
LEARN = {"batch_size": 4, "steps": 2, "validate_every_steps": 2, "checkpoint_every_steps": 2}
VIDEOS = {"net": NET, "pack": {"short_side_px": 64, "backend": "dis"}, "gap_frames": 2, "learn": LEARN}
CONFIG: dict[Objective, dict[str, Any]] = {
    "motion": VIDEOS | {"val_triplets": 4},
    # The clips pan as a whole, which would else pass for the camera's motion.
    "ranking": VIDEOS | {"val_pairs": 4, "patch_px": 32, "camera_share": 1.0},
    "steady": VIDEOS | {"val_tuples": 4},
    "random": {"net": NET},
}
KIND = {"motion": "triplet", "ranking": "appearance", "steady": "appearance", "random": "appearance"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path_factory.mktemp("data"), min_free_bytes=0))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def videos(store: Store) -> str:
    """A data set of three labelled clips."""
    items = []
    for seed, label in enumerate(["left", "right", "left"]):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=10, seed=seed)), filename=f"{label}-{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=label))
    return store.datasets.create_from_videos("clips", items).id


@pytest.fixture(scope="module")
def images(store: Store) -> str:
    """A data set of three people, each in an image of noise."""
    rng = np.random.default_rng(0)
    items = []
    for n in range(3):
        image = store.images.add(write_png(rng.integers(0, 255, (80, 64, 3), dtype=np.uint8)))
        joints = {name: [float(rng.integers(10, 54)), float(rng.integers(10, 70)), 2] for name in FLIC.names}
        person = {"joints": joints, "torso_box": [20, 20, 24, 32], "person_box": [4, 4, 56, 72]}
        items.append(ImageItem(file=f"{n}.png", image_sha256=image.sha256, person=person))
    return store.datasets.create_from_images("people", FLIC.names, items).id


def do(store: Store, kind: JobKind, spec: Spec) -> JobResult:
    """Claim a job and do it here."""
    job = store.jobs.claim(store.jobs.add(kind, spec).id, "this test")
    assert job is not None
    work = Work(job=job, store=store)
    work.folder.mkdir(parents=True)
    work.out.mkdir(parents=True)
    result = run_to_end(HANDLERS[kind](work), lambda _: None)
    store.jobs.succeed(job, result)
    return result


@pytest.mark.parametrize("objective", list(CONFIG))
def test_its_model_says_what_it_is_and_other_models_start_from_it(
    store: Store, videos: str, images: str, objective: Objective
) -> None:
    data = None if objective == "random" else videos
    spec = PretrainSpec(dataset=data, name=f"by-{objective}", objective=objective, seed=3, config=CONFIG[objective])
    assert do(store, "pretrain", spec)["model"] == f"by-{objective}@1"
    model = store.models.resolve(f"by-{objective}")
    assert (model.kind, model.lineage["objective"]) == (KIND[objective], objective)
    folder = store.models.folder(model)
    _, manifest = load_model(folder)
    assert manifest.lineage.objective == objective
    assert len(manifest.lineage.items_sha256) == (0 if objective == "random" else 3)
    assert f"| objective | {objective} |" in (folder / "README.md").read_text()

    action: dict[str, Any] = {"net": NET, "short_side_px": 64, "learn": LEARN, "test_frames": 2}
    tuned = FinetuneSpec(
        task="action", dataset=videos, init=f"by-{objective}", name=f"{objective}-action", config=action
    )
    do(store, "finetune", tuned)
    tuned = FinetuneSpec(
        task="pose",
        dataset=images,
        init=f"by-{objective}",
        name=f"{objective}-pose",
        config={"net": NET, "learn": LEARN},
    )
    do(store, "finetune", tuned)
    for task in ("action", "pose"):
        assert store.models.resolve(f"{objective}-{task}").lineage["parent"] == f"by-{objective}@1"

    do(store, "index", IndexSpec(collection=objective, model=f"by-{objective}", dataset=videos, every_frames=5))
    gallery_folder = store.collections.folder(store.collections.get(objective))
    assert gallery_folder is not None
    gallery = GalleryIndex.load(gallery_folder)
    assert [gallery.search(gallery.feature(n)[None], k=1)[0][0].id for n in range(6)] == list(range(6))


def test_random_is_what_training_starts_from(store: Store) -> None:
    for name in ("first", "again"):
        do(store, "pretrain", PretrainSpec(name=name, objective="random", seed=11, config={"net": NET}))
    first, again = (load_model(store.models.folder(store.models.resolve(name)))[0] for name in ("first", "again"))
    assert isinstance(first, VggM)
    assert all(bool((a == b).all()) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_an_action_model_learned_from_random_weights_can_start_a_pose_model(
    store: Store, videos: str, images: str
) -> None:
    """The paper's baseline `action`: supervised action training, then pose."""
    action: dict[str, Any] = {"net": NET, "short_side_px": 64, "learn": LEARN, "test_frames": 2}
    supervised = do(store, "finetune", FinetuneSpec(task="action", dataset=videos, name="supervised", config=action))
    frozen = {"net": NET, "learn": LEARN | {"steps": 1, "learning_rate": 1e-30, "weight_decay": 0.0}}
    spec = FinetuneSpec(task="pose", dataset=images, init="supervised", name="poser", config=frozen)
    do(store, "finetune", spec)
    poser, manifest = load_model(store.models.folder(store.models.resolve("poser")))
    assert manifest.lineage.parent == supervised["model"]
    parent, _ = load_model(store.models.folder(store.models.resolve("supervised")))
    taken, given = poser.get_submodule("layers"), parent.get_submodule("appearance.layers")
    for (name, ours), theirs in zip(taken.named_parameters(), given.parameters(), strict=True):
        assert bool((ours == theirs).all()), name
