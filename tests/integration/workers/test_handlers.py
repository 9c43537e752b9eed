"""Every kind of job, done by its handler in this process on tiny data: from clips to a searchable collection."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pfa_core.errors import DatasetUnsuitable, ModelUnsuitable
from pfa_core.images import write_png
from pfa_core.models import load_model
from pfa_core.progress import Progress, run_to_end
from pfa_core.retrieval import GalleryIndex
from pfa_core.skeleton import FLIC
from pfa_store.datasets import ImageItem, VideoItem
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, FinetuneSpec, IndexSpec, JobKind, PretrainSpec, Spec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from workers.handlers import evaluate, finetune, index, pretrain
from workers.work import Handler, JobResult, Work

HANDLERS: dict[JobKind, Handler] = {
    "pretrain": pretrain.handle,
    "finetune": finetune.handle,
    "evaluate": evaluate.handle,
    "index": index.handle,
}
NET = {"width": 1 / 32, "crop_px": 64, "norm": "batch"}
LEARN = {"batch_size": 4, "steps": 3, "validate_every_steps": 3, "checkpoint_every_steps": 3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path_factory.mktemp("data"), min_free_bytes=0))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def videos(store: Store) -> str:
    """A data set of four labelled clips, one of them too short to learn from."""
    items = []
    for seed, (label, num_frames) in enumerate([("left", 8), ("right", 8), ("left", 8), ("right", 2)]):
        clip = moving_clip(num_frames=num_frames, seed=seed)
        video, _ = store.videos.add(io.BytesIO(clip), filename=f"{label}-{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=label, split="test" if seed == 2 else "train"))
    return store.datasets.create_from_videos("clips", items).id


@pytest.fixture(scope="module")
def images(store: Store) -> str:
    """A data set of six people, each in an image of noise."""
    rng = np.random.default_rng(0)
    items = []
    for n in range(6):
        image = store.images.add(write_png(rng.integers(0, 255, (80, 64, 3), dtype=np.uint8)))
        joints = {name: [float(rng.integers(10, 54)), float(rng.integers(10, 70)), 2] for name in FLIC.names}
        person = {"joints": joints, "torso_box": [20, 20, 24, 32], "person_box": [4, 4, 56, 72]}
        items.append(
            ImageItem(file=f"{n}.png", image_sha256=image.sha256, person=person, split="test" if n > 3 else "train")
        )
    return store.datasets.create_from_images("people", FLIC.names, items).id


@pytest.fixture(scope="module")
def pretrained(store: Store, videos: str) -> JobResult:
    config: dict[str, Any] = {
        "net": NET,
        "pack": {"short_side_px": 64, "backend": "dis"},
        "gap_frames": 2,
        "val_triplets": 4,
        "learn": LEARN,
    }
    return do(store, "pretrain", PretrainSpec(dataset=videos, name="base", seed=5, config=config))


def do(store: Store, kind: JobKind, spec: Spec) -> JobResult:
    """Claim a job and do it here."""
    added = store.jobs.add(kind, spec)
    job = store.jobs.claim(added.id, "this test")
    assert job is not None
    work = Work(job=job, store=store)
    work.folder.mkdir(parents=True)
    work.out.mkdir(parents=True)
    steps: list[Progress] = []
    result = run_to_end(HANDLERS[kind](work), steps.append)
    assert steps
    store.jobs.succeed(job, result)
    return result


def files_of(store: Store, result: JobResult) -> list[str]:
    """The files that the newest evaluation of the result's model left, which are those that its result names."""
    job = store.jobs.evaluations(result["model"])[0]
    left = sorted(path.name for path in store.files.job_files(job.id, job.token).iterdir())
    assert left == sorted(result["files"])
    return left


def test_pretraining_publishes_a_model_that_knows_its_videos(store: Store, videos: str, pretrained: JobResult) -> None:
    assert pretrained["model"] == "base@1"
    (left_out,) = pretrained["left_out"]
    assert (left_out["file"], left_out["code"]) == ("right-3.mp4", "video_too_short")
    module, manifest = load_model(store.models.folder(store.models.resolve("base")))
    assert manifest.config.kind == "triplet"
    used = {store.videos.get(item.video_id or "").sha256 for item in store.datasets.items(videos)[:3]}
    assert set(manifest.lineage.items_sha256) == used
    assert (manifest.lineage.dataset, manifest.lineage.seed) == (videos, 5)
    assert manifest.lineage.job == store.models.resolve("base").job_id
    assert next(module.parameters()).isfinite().all()


def test_a_second_attempt_finds_the_model_of_the_first(store: Store, pretrained: JobResult) -> None:
    model = store.models.resolve("base@1")
    assert model.job_id is not None
    work = Work(job=store.jobs.get(model.job_id), store=store)
    again = run_to_end(pretrain.handle(work), lambda _: None)
    assert (again["model"], again["metrics"]) == (pretrained["model"], store.models.resolve("base@1").metrics)


def test_action_from_finetuning_to_a_score(store: Store, videos: str, pretrained: JobResult) -> None:
    config: dict[str, Any] = {"net": NET, "short_side_px": 64, "learn": LEARN, "test_frames": 2}
    spec = FinetuneSpec(task="action", dataset=videos, init="base", name="mover", config=config)
    trained = do(store, "finetune", spec)
    assert trained["model"] == "mover@1"
    assert store.models.resolve("mover").lineage["parent"] == pretrained["model"]
    score = do(store, "evaluate", EvaluateSpec(dataset=videos, model="mover"))
    assert score["model"] == "mover@1"
    assert score["metrics"]["num_clips"] == 1
    assert score["metrics"]["labels"] == ["left", "right"]
    assert files_of(store, score) == ["confusion.png", "evaluation.csv", "evaluation.json"]
    everything = do(store, "evaluate", EvaluateSpec(dataset=videos, model="mover", split="all"))
    assert everything["metrics"]["num_clips"] == 4


def test_two_streams_start_from_both_nets_of_pretraining_and_share_its_packs(
    store: Store, videos: str, images: str, pretrained: JobResult
) -> None:
    """The clip of two frames is too short for a block: it teaches the appearance alone."""
    pack = {"short_side_px": 64, "backend": "dis"}
    config: dict[str, Any] = {
        "net": NET, "short_side_px": 64, "learn": LEARN, "test_frames": 2, "two_stream": True,
        "motion": {"pack": pack, "gap_frames": 2, "test_blocks": 2},
    }  # fmt: skip
    before = {pack.key for pack in store.packs.list()}
    spec = FinetuneSpec(task="action", dataset=videos, init="base", name="two", config=config)
    trained = do(store, "finetune", spec)
    assert trained["left_out"] == []
    assert {pack.key for pack in store.packs.list()} == before
    model = store.models.resolve("two")
    assert (model.kind, model.lineage["motion_start"]) == ("action", "pretrained")
    assert len(model.lineage["items_sha256"]) == 4
    score = do(store, "evaluate", EvaluateSpec(dataset=videos, model="two", split="all"))
    counts = {name: stream["num_clips"] for name, stream in score["metrics"]["streams"].items()}
    assert counts == {"appearance": 4, "motion": 3, "fused": 4}
    with pytest.raises(DatasetUnsuitable):
        do(store, "finetune", FinetuneSpec(task="action", dataset=images, name="x", config=config))


def test_pose_from_finetuning_to_a_score(store: Store, images: str, pretrained: JobResult) -> None:
    spec = FinetuneSpec(
        task="pose", dataset=images, init=pretrained["model"], name="poser", config={"net": NET, "learn": LEARN}
    )
    assert do(store, "finetune", spec)["model"] == "poser@1"
    score = do(store, "evaluate", EvaluateSpec(dataset=images, model="poser@1"))
    assert score["metrics"]["num_people"] == 2
    assert tuple(score["metrics"]["joints"]) == FLIC.names
    assert files_of(store, score) == ["evaluation.csv", "evaluation.json", "pdj.png"]
    assert (score["dataset"]["id"], score["split"]) == (images, "test")
    whole = do(store, "evaluate", EvaluateSpec(dataset=images, model="poser@1", split="all", seed=3))
    assert whole["metrics"]["bootstrap"]["seed"] == 3
    low, high = whole["metrics"]["intervals"]["pck"]["0.5"]["mean"]
    assert 0 <= low <= high <= 1
    found = store.jobs.evaluations("poser@1")
    assert [job.result for job in found] == [whole, score]
    assert store.jobs.evaluations("poser@2") == ()


def test_a_collection_finds_what_was_put_into_it(store: Store, videos: str, images: str, pretrained: JobResult) -> None:
    spec = IndexSpec(collection="poses", model="base", dataset=videos, every_frames=4)
    result = do(store, "index", spec)
    assert result == {"collection": "poses", "items": 2 + 2 + 2 + 1, "left_out": []}
    held = store.collections.get("poses")
    assert (held.status, held.model, held.num_items) == ("ready", pretrained["model"], 7)
    folder: Path | None = store.collections.folder(held)
    assert folder is not None
    gallery = GalleryIndex.load(folder)
    assert [gallery.search(gallery.feature(n)[None], k=1)[0][0].id for n in range(7)] == list(range(7))
    assert {item.label for _, item in gallery.page(after=-1, limit=9)} == {"left", "right"}
    again = do(store, "index", spec.model_copy(update={"every_frames": 2}))
    assert again["items"] == 4 + 4 + 4 + 1  # those between; what was there is not there twice
    renewed = do(store, "index", spec.model_copy(update={"every_frames": 8, "replace": True}))
    assert (renewed["items"], store.collections.get("poses").num_items) == (4, 4)
    assert do(store, "index", IndexSpec(collection="people", model="base", dataset=images))["items"] == 6


def test_jobs_refuse_what_does_not_fit(store: Store, videos: str, images: str, pretrained: JobResult) -> None:
    for kind, spec, error in (
        ("pretrain", PretrainSpec(dataset=images), DatasetUnsuitable),
        ("pretrain", PretrainSpec(), DatasetUnsuitable),
        ("finetune", FinetuneSpec(task="pose", dataset=videos, name="x"), DatasetUnsuitable),
        ("finetune", FinetuneSpec(task="action", dataset=images, name="x"), DatasetUnsuitable),
        ("evaluate", EvaluateSpec(dataset=videos, model=pretrained["model"]), ModelUnsuitable),
        ("evaluate", EvaluateSpec(model=pretrained["model"], dataset=images, split="val"), ModelUnsuitable),
    ):
        with pytest.raises(error):
            do(store, kind, spec)  # type: ignore[arg-type]  # kinds of a literal tuple are str to mypy
