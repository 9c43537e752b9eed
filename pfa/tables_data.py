"""From the data file of `pfa tables` to what a comparison takes: sets with their contents, videos with their packs."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pfa.pretraining import VIDEO_SUFFIXES
from pfa.tables_file import DataFile, Labelled, NamedVideos
from pfa_core.annotations import read_label_csv
from pfa_core.clips import LabelledClip
from pfa_core.config.flow import PackConfig
from pfa_core.config.tables import TablesConfig
from pfa_core.durable import sha256_of
from pfa_core.errors import AnnotationsInvalid, DatasetUnsuitable, InputError
from pfa_core.importers.formats import read_annotations
from pfa_core.importers.imported import Imported, shown
from pfa_core.importers.source import Source
from pfa_core.pack_reader import Pack
from pfa_core.packs import pack_key
from pfa_core.people import Person
from pfa_core.progress import Progress
from pfa_core.tables.sources import ActionSet, PoseSet, TablesData, VideoSource
from pfa_core.tables.stills import stills_of
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from workers.flow_packs import num_processes
from workers.listed_tasks import pack_all
from workers.pack_task import PackTask

STILL_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVideo:
    """A video file and what a CSV says of it."""

    path: Path
    group: str | None = None
    split: str | None = None


def read_data(
    named: DataFile, root: Path, *, config: TablesConfig, out: Path, packs: Path, pretrains: bool
) -> Generator[Progress, None, tuple[TablesData, list[str]]]:
    """All that a data file names, with the videos' packs made where they are missing.

    Args:
        root: the folder that its paths are relative to.
        out: still images that are made of clips go below it.
        packs: the folder of packs.
        pretrains: whether anything is learned from videos; else none is looked at.

    Returns:
        The data, and lines that tell what is left out, and why.

    Raises:
        AnnotationsInvalid: of an annotation file.
        DatasetUnsuitable: a set without training or test items, or whose files are missing.
    """
    action = []
    for name, one in named.action.items():
        action.append((yield from _action_set(name, one, root)))
    pose = []
    for name, one in named.pose.items():
        pose.append((yield from _pose_set(name, one, root)))
    static: list[ActionSet] = []
    lines: list[str] = []
    made_of = {name: one.from_action for name, one in named.static.items() if one.from_action is not None}
    for name, one in named.static.items():
        if name not in made_of:
            static.append((yield from _action_set(name, one, root)))
            continue
        clips = next(found for found in action if found.name == made_of[name])
        images, unread = yield from stills_of(
            clips, out / "stills", name=name, per_clip=config.static_frames, limits=DecodeLimits()
        )
        static.append(images)
        lines += [f"left out: {left.name}: {left.message}" for left in unread]
    tested = set[str]().union(*(clips.tested_sha256 for clips in action))
    files = list(_video_files(named.videos, root)) if pretrains else []
    sources, kept_out, unusable = yield from _videos(files, config.motion.pack, packs=packs, tested=tested)
    data = TablesData(
        videos=tuple(sources), action=tuple(action), pose=tuple(pose), static=tuple(static), stills_of=made_of,
        kept_out=kept_out, unusable=len(unusable),
    )  # fmt: skip
    return data, [*lines, *(f"left out: {line}" for line in unusable)]


def _action_set(name: str, one: Labelled, root: Path) -> Generator[Progress, None, ActionSet]:
    found, folder = _annotations(one, root)
    labels = [label for label in found.labels if label.label is not None]
    if not labels:
        raise DatasetUnsuitable(f"{name}: its annotations have no action labels.")
    paths = _below(folder, [label.file for label in labels], name=name)
    clips = tuple(
        LabelledClip(
            name=label.file, label=label.label or "", path=path, group=label.group, split=label.split,
            still=path.suffix.lower() in STILL_SUFFIXES,
        )
        for label, path in zip(labels, paths, strict=True)
    )  # fmt: skip
    contents = yield from _contents(paths, phase=f"read {name}")
    return ActionSet(name=name, clips=clips, contents=contents)


def _pose_set(name: str, one: Labelled, root: Path) -> Generator[Progress, None, PoseSet]:
    found, folder = _annotations(one, root)
    if found.people is None:
        raise DatasetUnsuitable(f"{name}: its annotations have no people with joints.")
    people = found.people.people
    paths = _below(folder, [str(person.image) for person in people], name=name)
    located = tuple(_at(person, path) for person, path in zip(people, paths, strict=True))
    contents = yield from _contents(paths, phase=f"read {name}")
    return PoseSet(name=name, joints=found.people.joints, people=located, contents=contents)


def _at(person: Person, path: Path) -> Person:
    return Person.from_json(
        person.to_json(), image=path, name=str(person.image), split=person.split, group=person.group
    )


def _annotations(one: Labelled, root: Path) -> tuple[Imported, Path]:
    """What the annotations say, and the folder that they name files in. Raises: AnnotationsInvalid."""
    places = [(root / text, path) for text in one.annotations for path in _files(root / text)]
    try:
        sources = [
            Source(path.name if path == place else path.relative_to(place).as_posix(), path.read_bytes())
            for place, path in places
        ]
    except OSError as error:
        raise AnnotationsInvalid(f"{error.filename} cannot be read: {error.strerror}.") from error
    folder = root / one.files if one.files is not None else (root / one.annotations[0]).parent
    return read_annotations(sources, format_name=one.format), folder


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _below(folder: Path, files: Sequence[str], *, name: str) -> list[Path]:
    """Where the files are: by their path in the folder, or by the last part of it where that is unique.

    Raises:
        DatasetUnsuitable: some are not there.
    """
    paths = [folder / file for file in files]
    if all(path.is_file() for path in paths):
        return paths
    by_name: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        by_name.setdefault(path.name, []).append(path)
    found, missing = [], []
    for file, path in zip(files, paths, strict=True):
        alike = [path] if path.is_file() else by_name.get(PurePosixPath(file).name, [])
        found += alike[:1]
        missing += [] if len(alike) == 1 else [file]
    if missing:
        raise DatasetUnsuitable(
            f"{name}: {len(missing)} of {len(files)} files are not in {folder}, or not under a clear name:"
            f" {shown(missing)}."
        )
    return found


def _contents(paths: Iterable[Path], *, phase: str) -> Generator[Progress, None, dict[Path, str]]:
    """sha256 of each file."""
    unique = list(dict.fromkeys(paths))
    contents = {}
    for step, path in enumerate(unique, start=1):
        contents[path] = sha256_of(path)
        yield Progress(phase=phase, step=step, total=len(unique))
    return contents


def _video_files(named: Sequence[NamedVideos], root: Path) -> Iterable[NamedVideo]:
    """Raises: AnnotationsInvalid: a CSV that does not read; DatasetUnsuitable: a file that is not there."""
    for one in named:
        path = root / one.annotations
        if path.is_dir():
            yield from (NamedVideo(path=file) for file in _files(path) if file.suffix.lower() in VIDEO_SUFFIXES)
        elif not path.is_file():
            raise DatasetUnsuitable(f"videos: there is no file or folder {path}.")
        elif path.suffix.lower() == ".csv":
            labels = read_label_csv(path.read_bytes())
            files = _below(
                path.parent if one.files is None else root / one.files, [label.file for label in labels], name="videos"
            )
            for label, file in zip(labels, files, strict=True):
                yield NamedVideo(path=file, group=label.group, split=label.split)
        else:
            yield NamedVideo(path=path)


Videos = tuple[list[VideoSource], int, list[str]]
"""The videos to pretrain on; how many are kept out since they are test items; those that cannot be used, with why."""


def _videos(
    named: Sequence[NamedVideo], config: PackConfig, *, packs: Path, tested: set[str]
) -> Generator[Progress, None, Videos]:
    """Make the packs of the videos that may be learned from."""
    limits, unusable, kept_out = DecodeLimits(), list[str](), set[str]()
    tasks: dict[str, PackTask] = {}
    notes: dict[str, NamedVideo] = {}
    for step, video in enumerate(named, start=1):
        yield Progress(phase="probe", step=step, total=len(named))
        sha256 = sha256_of(video.path)
        if sha256 in tested or video.split == "test":
            kept_out.add(sha256)
        elif sha256 not in tasks:
            folder = packs / pack_key(sha256, config)
            try:
                num_frames = _num_frames(video.path, folder, limits=limits)
            except InputError as error:
                unusable.append(f"{video.path}: {error}")
                continue
            tasks[sha256] = PackTask(
                name=str(video.path), video=video.path, folder=folder, config=config, video_sha256=sha256,
                limits=limits, pairs=max(0, num_frames - 1),
            )  # fmt: skip
            notes[sha256] = video
    packs.mkdir(parents=True, exist_ok=True)
    wanted = [task for sha256, task in tasks.items() if sha256 not in kept_out]
    refused = yield from pack_all(wanted, processes=num_processes(config, len(wanted)))
    unusable += [f"{name}: {why.message}" for name, why in refused.items()]
    sources = [
        VideoSource(
            name=task.name, sha256=task.video_sha256, pack=task.folder, group=notes[task.video_sha256].group,
            split=notes[task.video_sha256].split,
        )
        for task in wanted
        if task.name not in refused
    ]  # fmt: skip
    return sources, len(kept_out), unusable


def _num_frames(video: Path, pack: Path, *, limits: DecodeLimits) -> int:
    """From the pack where there is one. Raises: InputError: the video does not open."""
    return Pack.open(pack, verify=False).num_frames if pack.is_dir() else probe(video, limits=limits).num_frames
