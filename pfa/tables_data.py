"""From the data file of `pfa tables` to what a comparison takes: sets with their contents, videos with their packs."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfa.files_below import VIDEO_SUFFIXES
from pfa.labelled_files import annotations_of, clips_of, contents_of, files_of, located, people_of
from pfa.tables_file import DataFile, Labelled, NamedVideos
from pfa_core.annotations import read_label_csv
from pfa_core.config.flow import PackConfig
from pfa_core.config.tables import TablesConfig
from pfa_core.durable import sha256_of
from pfa_core.errors import DatasetUnsuitable, InputError
from pfa_core.pack_reader import Pack
from pfa_core.packs import pack_key
from pfa_core.progress import Progress
from pfa_core.tables.sources import ActionSet, PoseSet, TablesData, VideoSource
from pfa_core.tables.stills import stills_of
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from workers.flow_packs import num_processes
from workers.listed_tasks import pack_all
from workers.pack_task import PackTask


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
    found, folder = annotations_of(one, root)
    clips = clips_of(found, folder, name=name)
    contents = yield from contents_of([clip.path for clip in clips], phase=f"read {name}")
    return ActionSet(name=name, clips=clips, contents=contents)


def _pose_set(name: str, one: Labelled, root: Path) -> Generator[Progress, None, PoseSet]:
    found, folder = annotations_of(one, root)
    joints, people = people_of(found, folder, name=name)
    contents = yield from contents_of([person.image for person in people], phase=f"read {name}")
    return PoseSet(name=name, joints=joints, people=people, contents=contents)


def _video_files(named: Sequence[NamedVideos], root: Path) -> Iterable[NamedVideo]:
    """Raises: AnnotationsInvalid: a CSV that does not read; DatasetUnsuitable: a file that is not there."""
    for one in named:
        path = root / one.annotations
        if path.is_dir():
            yield from (NamedVideo(path=file) for file in files_of(path) if file.suffix.lower() in VIDEO_SUFFIXES)
        elif not path.is_file():
            raise DatasetUnsuitable(f"videos: there is no file or folder {path}.")
        elif path.suffix.lower() == ".csv":
            labels = read_label_csv(path.read_bytes())
            files = located(
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
