"""A comparison as a job: the data sets that it names, then every run that is missing, then the tables as job files."""

from collections.abc import Generator, Sequence

from pfa_core.config.tables import LEARNED, TablesConfig
from pfa_core.packs import pack_key
from pfa_core.progress import Progress
from pfa_core.tables.bench import Bench
from pfa_core.tables.files import table_files
from pfa_core.tables.sources import ActionSet, PoseSet, TablesData, VideoSource
from pfa_core.tables.stills import stills_of
from pfa_core.tables.summary import MAIN_FIGURES, summarise
from pfa_store.specs import TablesSpec
from pfa_store.store import Store
from workers.flow_packs import packs_of
from workers.left_out import leave_out_items, noted
from workers.sources import SourceVideo, clips_of, content_at, people_of, videos_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"findings": [{task, data, initialisation, layers, figure, mean, difference, verdict}], "num_cells",
    "left_out": [...], "files": [name]}; `tables.json` has all of it."""
    spec = work.job.request
    assert isinstance(spec, TablesSpec)
    config = spec.resolve()
    data = yield from _data(work, spec, config)
    models = {name: work.store.models.resolve(ref) for name, ref in spec.init.items()}
    given = {name: work.store.models.folder(model) for name, model in models.items()}
    bench = Bench(config=config, data=data, folder=work.folder, given=given)
    bench.starts.check()
    yield from bench.run(bench.cells)
    files = table_files(bench)
    for name, content in files.items():
        work.leave_file(name, content)
    return {
        "findings": _findings(bench),
        "num_cells": len(bench.cells),
        "left_out": noted(work),
        "files": list(files),
    }


def _findings(bench: Bench) -> list[dict[str, object]]:
    """The main figures with all labels."""
    keys = ("task", "data", "initialisation", "layers", "figure", "verdict")
    found = []
    for row in summarise(bench).rows:
        if row.fraction == 1 and row.figure in MAIN_FIGURES[row.task]:
            plain = row.to_json()
            found.append({**{key: plain[key] for key in keys}, "over_seeds": plain["over_seeds"],
                          "difference": plain["difference"]})  # fmt: skip
    return found


def _data(work: Work, spec: TablesSpec, config: TablesConfig) -> Generator[Progress, None, TablesData]:
    store = work.store
    action = [_action_set(store, ref) for ref in spec.action]
    static = [_action_set(store, ref) for ref in spec.static]
    made_of: dict[str, str] = {}
    for ref in spec.frames_of:
        dataset = store.datasets.get(ref)
        clips = next(one for one in action if one.name == dataset.name)
        name = f"{dataset.name}-frames"
        images, unread = yield from stills_of(
            clips, work.folder / "stills", name=name, per_clip=config.static_frames, limits=store.videos.limits
        )
        leave_out_items(work, dataset, unread)
        static.append(images)
        made_of[name] = dataset.name
    videos, kept_out, unusable = yield from _videos(work, spec, config, action)
    return TablesData(
        videos=tuple(videos), action=tuple(action), pose=tuple(_pose_set(store, ref) for ref in spec.pose),
        static=tuple(static), stills_of=made_of, kept_out=kept_out, unusable=unusable,
    )  # fmt: skip


def _action_set(store: Store, ref: str) -> ActionSet:
    dataset = store.datasets.get(ref)
    return ActionSet(name=dataset.name, clips=tuple(clips_of(store, dataset)), contents=content_at(store, dataset))


def _pose_set(store: Store, ref: str) -> PoseSet:
    dataset = store.datasets.get(ref)
    joints, people = people_of(store, dataset)
    return PoseSet(name=dataset.name, joints=joints, people=tuple(people), contents=content_at(store, dataset))


def _videos(
    work: Work, spec: TablesSpec, config: TablesConfig, action: Sequence[ActionSet]
) -> Generator[Progress, None, tuple[list[VideoSource], int, int]]:
    """The videos to pretrain on, with their packs; how many are test items; how many cannot be used."""
    objectives = set(LEARNED) - {"action"} - set(spec.init)
    if objectives.isdisjoint(config.initialisations):
        return [], 0, 0
    tested = set[str]().union(*(clips.tested_sha256 for clips in action))
    named = videos_of(work.store, spec)
    learned = [one for one in named if one.video.sha256 not in tested and one.split != "test"]
    packs, left_out = yield from packs_of(work, learned, config.motion.pack)
    videos = [_source(work.store, one, config) for one in learned if one.video.id in packs]
    return videos, len(named) - len(learned), len(left_out)


def _source(store: Store, one: SourceVideo, config: TablesConfig) -> VideoSource:
    folder = store.files.pack(one.video.sha256, pack_key(one.video.sha256, config.motion.pack))
    name = f"{one.file} ({one.video.id})"
    return VideoSource(name=name, sha256=one.video.sha256, pack=folder, group=one.group, split=one.split)
