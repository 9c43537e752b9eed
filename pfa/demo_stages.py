"""What the demo does with a running service, stage by stage."""

import contextlib
import json
import random
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pfa.demo_results import INITS, MOTION, DemoResults, Nearest, Prediction
from pfa.demo_service import DemoService
from pfa.errors import DemoFailed
from pfa.files_below import VIDEO_SUFFIXES
from pfa_client.predictions import Box
from pfa_core.images import write_jpeg
from pfa_core.synthetic import ClipSet, SceneConfig, make_clip_set, make_pose_images
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

PRETRAINED, POSES, COLLECTION = "pretrained", "demo-poses", "demo-gallery"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much the demo computes; the default takes about ten minutes on two cores."""

    num_actors: int = 24
    num_frames: int = 40
    pretrain_steps: int = 900
    pose_steps: int = 400
    action_steps: int = 400
    images_per_clip: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPerson:
    """A held-out person in an image."""

    path: Path
    box: Box


def sample_clips(demo: DemoService, budget: Budget) -> DemoResults:
    """The whole way: pretrain, finetune pose and action twice, evaluate, predict, retrieve."""
    clips = _render(demo, budget)
    results = _pretrain(
        demo,
        [clips.folder / clip.file for clip in clips.clips],
        root=clips.folder,
        annotations=clips.labels,
        steps=budget.pretrain_steps,
    )
    test_people = _pose_dataset(demo, clips, budget)
    tasks = (
        ("pose", POSES, budget.pose_steps),
        ("action", str(results.pretraining.spec["dataset"]), budget.action_steps),
    )
    for task, dataset, steps in tasks:
        results.scores[task] = {init: _finetuned(demo, task, init, dataset=dataset, steps=steps) for init in INITS}
    results.overlays = [(seen.path.name, _overlay(demo, seen)) for seen in _spread(test_people, 6)]
    results.predictions = _actions(demo, clips)
    _index(demo, POSES)
    results.nearest = [
        _nearest(demo, seen.path.name, seen.path.read_bytes(), box=seen.box) for seen in _spread(test_people, 4)
    ]
    return results


def own_videos(demo: DemoService, folder: Path, budget: Budget) -> DemoResults:
    """Pretraining and retrieval on the videos of a folder.

    Raises:
        DemoFailed: there are none.
    """
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise DemoFailed(f"There is no video ({', '.join(VIDEO_SUFFIXES)}) in {folder}.")
    results = _pretrain(demo, videos, root=folder, annotations=None, steps=budget.pretrain_steps)
    _index(demo, str(results.pretraining.spec["dataset"]))
    left_out = {entry["file"] for entry in results.left_out}
    usable = [path for path in videos if path.relative_to(folder).as_posix() not in left_out]
    results.nearest = [_nearest(demo, path.name, _middle_frame(path)) for path in _spread(usable, 4)]
    return results


def _render(demo: DemoService, budget: Budget) -> ClipSet:
    started_s = time.monotonic()
    with demo.console.status("Rendering clips ..."):
        clips = make_clip_set(
            demo.scratch / "clips",
            num_actors=budget.num_actors,
            seed=demo.seed,
            config=SceneConfig(width_px=240, num_frames=budget.num_frames),
        )
    demo.timings_s["Render clips"] = round(time.monotonic() - started_s, 1)
    held_out = len({clip.actor for clip in clips.clips if clip.split == "test"})
    demo.console.print(f"Rendered {len(clips.clips)} clips of {budget.num_actors} people; {held_out} are held out.")
    return clips


def _pretrain(
    demo: DemoService, videos: Sequence[Path], *, root: Path, annotations: Path | None, steps: int
) -> DemoResults:
    job = demo.run_job(
        "pretrain", "Pretrain from motion", files=videos, root=root, annotations=annotations, name=PRETRAINED,
        preset="small", config=_learn(steps),
    )  # fmt: skip
    model = demo.client.model(PRETRAINED)
    return DemoResults(
        pretraining=job,
        curves=demo.client.job_metrics(job.id),
        filters_png=demo.client.filters(PRETRAINED, model.versions[0].version),
    )


def _pose_dataset(demo: DemoService, clips: ClipSet, budget: Budget) -> list[SeenPerson]:
    """Upload frames with joints as the data set POSES; returns the held-out people."""
    folder = demo.scratch / "poses"
    with demo.console.status("Rendering images with joints ..."):
        annotations = make_pose_images(
            folder, clips.clips, per_clip=budget.images_per_clip, seed=demo.seed, config=clips.config
        )
    archive = demo.scratch / "poses.zip"
    images = sorted((folder / "images").iterdir())
    with zipfile.ZipFile(archive, "w") as packed:
        for image in images:
            packed.write(image, image.relative_to(folder))
    demo.client.create_dataset(POSES, files=[archive], annotations=annotations)
    people = json.loads(annotations.read_text())["annotations"]
    return [
        SeenPerson(path=folder / person["image"], box=_enlarged(person["person_box"]))
        for person in people
        if person["split"] == "test"
    ]


def _finetuned(demo: DemoService, task: str, init: str, *, dataset: str, steps: int) -> Mapping[str, Any]:
    """Train a model from this initialisation and score it on people it never saw: the evaluation's metrics."""
    name = f"{task}-{init}"
    demo.run_job(
        "finetune", f"Finetune {task} from {init}", task=task, dataset=dataset, name=name, preset="small",
        init=PRETRAINED if init == MOTION else "random", config=_learn(steps),
    )  # fmt: skip
    job = demo.run_job("evaluate", f"Evaluate {name}", model=name, dataset=dataset, split="test")
    metrics: Mapping[str, Any] = demo.result(job)["metrics"]
    return metrics


def _overlay(demo: DemoService, seen: SeenPerson) -> bytes:
    return demo.client.predict_pose_overlay(seen.path, model=f"pose-{MOTION}", box=seen.box)


def _enlarged(box: Sequence[float]) -> Box:
    """A tight box around joints, with room for head, hands and feet."""
    x, y, width, height = box
    return (x - width / 10, y - height / 10, width * 1.2, height * 1.2)


def _actions(demo: DemoService, clips: ClipSet) -> list[Prediction]:
    """One held-out clip of each action."""
    unseen = {clip.action: clip for clip in clips.clips if clip.split == "test"}
    return [
        Prediction(
            clip=clip.file,
            label=clip.action,
            answer=demo.client.predict_action(clips.folder / clip.file, model=f"action-{MOTION}"),
        )
        for clip in unseen.values()
    ]


def _index(demo: DemoService, dataset: str) -> None:
    demo.client.create_collection(COLLECTION, model=PRETRAINED)
    demo.run_job("index", "Index for retrieval", collection=COLLECTION, model=PRETRAINED, dataset=dataset)


def _nearest(demo: DemoService, name: str, image: bytes, *, box: Box | None = None) -> Nearest:
    """The nearest poses of other clips: neighbouring frames of the same one would say little."""
    found = demo.client.retrieve(image, collection=COLLECTION, k=100, box=box)
    others = [item for item in found if _clip_of(item.name) != _clip_of(name)]
    return Nearest(name=name, image=image, found=others[:5])


def _clip_of(name: str) -> str:
    """The clip that a file shows: frames of the sample clips are named `<clip>_<frame>.jpg`."""
    path = Path(name)
    return path.stem.rpartition("_")[0] if path.suffix == ".jpg" else path.stem


def _middle_frame(video: Path) -> bytes:
    limits = DecodeLimits()
    middle = probe(video, limits=limits).num_frames // 2
    with contextlib.closing(read_frames(video, limits=limits, indices=[middle])) as frames:
        return write_jpeg(next(frames))


def _learn(steps: int) -> Mapping[str, Any]:
    return {"learn": {"steps": steps, "validate_every_steps": max(1, steps // 8)}}


def _spread(found: Sequence[T], count: int) -> Sequence[T]:
    """At most `count` of them from all over: drawn, since the clips follow each other in a regular order."""
    chosen = random.Random(len(found)).sample(range(len(found)), min(count, len(found)))
    return [found[place] for place in sorted(chosen)]
