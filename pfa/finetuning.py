"""From labelled files to a pose or an action model folder, and from that to its scores, without a service."""

import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from pfa.ending import Document
from pfa.files_below import IMAGE_SUFFIXES, VIDEO_SUFFIXES, below
from pfa.labelled_files import annotations_of, clips_of, contents_of, people_of
from pfa.tables_file import Labelled
from pfa_core.clip_packs import packs_of_clips
from pfa_core.clips import LabelledClip
from pfa_core.config import action as action_presets
from pfa_core.config import pose as pose_presets
from pfa_core.config.action import ActionConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.durable import write_atomic
from pfa_core.errors import DatasetUnsuitable, ModelUnsuitable
from pfa_core.evaluate import evaluate_action, evaluate_pose
from pfa_core.evaluation_files import evaluation_files
from pfa_core.finetune_action import ActionResult, finetune_action
from pfa_core.finetune_pose import PoseResult, finetune_pose
from pfa_core.importers.folders import read_folders
from pfa_core.importers.formats import FOLDERS
from pfa_core.importers.imported import Imported
from pfa_core.left_out import LeftOut, plain
from pfa_core.manifest import Lineage
from pfa_core.models import library_version, load_model, save_model
from pfa_core.packs import Pack
from pfa_core.people import Person
from pfa_core.progress import Progress
from pfa_core.skeleton import JointSet
from pfa_store.specs import resolve

Item = TypeVar("Item", Person, LabelledClip)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledData:
    """People with joints, or clips with labels; one of the two."""

    joints: JointSet | None = None
    people: tuple[Person, ...] = ()
    clips: tuple[LabelledClip, ...] = ()

    @property
    def task(self) -> str:
        """`pose` or `action`."""
        return "action" if self.joints is None else "pose"


def read_labelled(folder: Path, annotations: Sequence[Path], *, format_name: str | None) -> LabelledData:
    """The files below a folder that annotations tell of; without annotations, a folder is a class.

    Raises:
        AnnotationsInvalid: they do not read.
        DatasetUnsuitable: files are missing, or nothing is labelled.
    """
    name = folder.name or str(folder)
    if annotations and format_name != FOLDERS:
        where = Labelled(annotations=[str(path.resolve()) for path in annotations], files=".", format=format_name)
        found, _ = annotations_of(where, folder.resolve())
    else:
        files = below([folder], suffixes=(*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
        if not files:
            raise DatasetUnsuitable(f"There are no videos or images in {folder}.")
        found = Imported(labels=read_folders([file.relative_to(folder).as_posix() for file in files]))
    if found.people is None:
        return LabelledData(clips=clips_of(found, folder, name=name))
    joints, people = people_of(found, folder, name=name)
    return LabelledData(joints=joints, people=people)


def configured(task: str, preset: str, overrides: Mapping[str, Any]) -> PoseConfig | ActionConfig:
    """The preset of a task with single values replaced. Raises: ConfigInvalid."""
    if task == "pose":
        return resolve(pose_presets.paper() if preset == "paper" else pose_presets.small(), overrides)
    return resolve(action_presets.paper() if preset == "paper" else action_presets.small(), overrides)


def shortened(config: PoseConfig | ActionConfig, *, steps: int) -> PoseConfig | ActionConfig:
    """The same with so many steps and no validation on the way: a rehearsal."""
    return replace(config, learn=replace(config.learn, steps=steps, validate_every_steps=steps))


def learn(
    data: LabelledData,
    *,
    config: PoseConfig | ActionConfig,
    init: Path | None,
    seed: int,
    device: str,
    work: Path,
    out: Path,
) -> Generator[Progress, None, Document]:
    """Train, and write the model folder; what it stopped at is gone on with.

    Raises:
        As `finetune_pose`, `finetune_action`, `load_model` and `save_model`.
    """
    start, parent = (None, None) if init is None else (load_model(init)[0], str(init))
    trained, unpacked = yield from _train(data, config, init=start, seed=seed, device=device, work=work)
    left_out = [*trained.left_out, *unpacked]
    unused = {one.path for one in left_out}
    paths = [person.image for person in data.people] + [clip.path for clip in data.clips]
    contents = yield from contents_of([path for path in paths if path not in unused], phase="checksums")
    lineage = Lineage(
        parent=parent,
        motion_start=trained.motion_start if isinstance(trained, ActionResult) else None,
        items_sha256=tuple(sorted(set(contents.values()))),
        seed=seed,
        code=library_version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    save_model(out, trained.model, config=trained.config, lineage=lineage, metrics=trained.metrics)
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    return {"model": str(out), "metrics": dict(trained.metrics), "left_out": plain(left_out)}


def _train(
    data: LabelledData,
    config: PoseConfig | ActionConfig,
    *,
    init: nn.Module | None,
    seed: int,
    device: str,
    work: Path,
) -> Generator[Progress, None, tuple[PoseResult | ActionResult, list[LeftOut]]]:
    if isinstance(config, PoseConfig):
        assert data.joints is not None
        posed = yield from finetune_pose(
            data.people, joints=data.joints, config=config, folder=work, seed=seed, init=init, device=device
        )
        return posed, []
    clips, packs, unpacked = list(data.clips), None, list[LeftOut]()
    if config.two_stream:
        found: dict[Path, Pack]
        learned = [clip for clip in clips if clip.split != "test"]
        found, unpacked = yield from packs_of_clips(learned, config.motion.pack, folder=work / "packs")
        unused = {one.path for one in unpacked}
        clips, packs = [clip for clip in clips if clip.path not in unused], found
    acted = yield from finetune_action(
        clips, config=config, folder=work, seed=seed, init=init, device=device, packs=packs
    )
    return acted, unpacked


def score(
    model: Path, data: LabelledData, *, split: str, seed: int, device: str, out: Path
) -> Generator[Progress, None, Document]:
    """Score a model folder on the items of a split, and write the files of an evaluation.

    Raises:
        DatasetUnsuitable: nothing is in the split, or nothing reads.
        ModelUnsuitable: the model is of another kind than the labels.
    """
    module, manifest = load_model(model, device=device)
    kind = manifest.config.kind
    if kind != data.task:
        raise ModelUnsuitable(f"The labels are for {data.task} models; {model} is of kind {kind!r}.")
    if kind == "pose":
        found = yield from evaluate_pose(module, manifest.config, _of_split(data.people, split), seed=seed)
    else:
        found = yield from evaluate_action(module, manifest.config, _of_split(data.clips, split), seed=seed)
    about = {"model": str(model), "split": split, "left_out": plain(found.left_out)}
    made = {"code": library_version(), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    files = evaluation_files(found.scored, about=about | made)
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(out / name, content)
    return {**about, "metrics": found.metrics, "files": [str(out / name) for name in files]}


def _of_split(items: Sequence[Item], split: str) -> list[Item]:
    """The items of the split; all where none has a split. Raises: DatasetUnsuitable: nothing is in it."""
    if split == "all" or all(item.split is None for item in items):
        return list(items)
    chosen = [item for item in items if item.split == split]
    if not chosen:
        raise DatasetUnsuitable(f"No labelled item is in the split {split!r}; choose one with --split, or all.")
    return chosen
