"""The packs of a job's videos: made where they are missing. What flow and pretraining jobs have in common."""

import os
from collections.abc import Generator, Mapping, Sequence

from pfa_core.config.action import ActionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.packs import Pack, forget_parts, pack_key
from pfa_core.progress import Progress
from pfa_store.items import owner
from pfa_store.specs import FinetuneSpec, FlowSpec, PretrainSpec, Spec, TablesSpec
from pfa_store.store import Store
from pfa_store.videos import Video
from workers.item_tasks import ItemTasks
from workers.left_out import LeftOutFile, leave_out
from workers.pack_task import PackTask
from workers.packing import pack_from
from workers.sources import SourceVideo
from workers.work import Work

Packs = tuple[Mapping[str, Pack], list[LeftOutFile]]
"""By video id, the packs; and the videos that have none, each of which is also an event of the job."""
Made = tuple[Mapping[str, PackTask], list[LeftOutFile]]
"""By video id, what was done; and the videos that have no packs."""

MAX_HELPERS = 8
"""At most so many other workers are asked to help with a job."""


def packs_of(work: Work, videos: Sequence[SourceVideo], config: PackConfig) -> Generator[Progress, None, Packs]:
    """`make_packs`, and have all of them on this host, open.

    Raises:
        As `make_packs`; DiskFull: they do not fit into the cache, too.
    """
    made, left_out = yield from make_packs(work, videos, config)
    here = work.store.files.shelf.here
    # Every checksum was compared a moment ago: by the process that built or found the pack, or when it was brought.
    return {name: Pack.open(here(task.folder), verify=False) for name, task in made.items()}, left_out


def make_packs(work: Work, videos: Sequence[SourceVideo], config: PackConfig) -> Generator[Progress, None, Made]:
    """Make the packs of all videos, as many at once as there are cores; every flow worker that is idle may help.

    Raises:
        DiskFull, StoreUnavailable: packs cannot be written.
        LostLease: the job is in other hands.
    """
    store, job = work.store, work.job
    tasks = {source.video.id: task_of(store, source.video, config) for source in videos}
    store.items.enqueue(job, {source.video.id: source.video.num_frames for source in videos})
    tally = store.items.tally(job.id)
    num_items = tally.waiting + tally.running
    for _ in range(min(MAX_HELPERS, num_items - 1)):
        if not store.queue.call_for_help(job):
            break
    supply = ItemTasks(store, job.id, tasks, worker=owner(job))
    yield from pack_from(supply, processes=num_processes(config, num_items))
    refused = store.items.refused(job.id)
    for name in refused:
        forget_parts(tasks[name].folder)
    left_out = [
        leave_out(work, video=source.video.id, file=source.file, code=code, message=message)
        for source in videos
        if source.video.id in refused
        for code, message in [refused[source.video.id]]
    ]
    return {name: task for name, task in tasks.items() if name not in refused}, left_out


def num_processes(config: PackConfig, num_items: int) -> int:
    """One for each core that we may use, and none that would be idle; torch's flow uses all there is by itself."""
    return 1 if config.backend == "torch" else min(len(os.sched_getaffinity(0)), num_items)


def pack_config_of(spec: Spec) -> PackConfig:
    """Which packs a job makes or needs.

    `spec`: of a flow, a pretraining or a tables job, or one that finetunes two streams; no other has any.
    """
    match spec:
        case FlowSpec():
            return spec.resolve()
        case PretrainSpec():
            config = spec.resolve()
            if not isinstance(config, UntrainedConfig):
                return config.pack
        case FinetuneSpec():
            action = spec.resolve()
            if isinstance(action, ActionConfig) and action.two_stream:
                return action.motion.pack
        case TablesSpec():
            return spec.resolve().motion.pack
    raise AssertionError(f"{type(spec).__name__} names no packs")


def task_of(store: Store, video: Video, config: PackConfig) -> PackTask:
    """What is to be done for a video."""
    return PackTask(
        name=video.id,
        video=store.videos.place(video),
        folder=store.files.pack(video.sha256, pack_key(video.sha256, config)),
        config=config,
        video_sha256=video.sha256,
        limits=store.videos.limits,
        pairs=max(0, video.num_frames - 1),
        shelf=store.files.shelf,
    )
