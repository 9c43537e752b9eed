"""The packs of a job's videos: made where they are missing. What flow and pretraining jobs have in common."""

import os
from collections.abc import Generator, Mapping, Sequence

from pfa_core.config.flow import PackConfig
from pfa_core.packs import Pack, pack_key
from pfa_core.progress import Progress
from pfa_store.items import owner
from pfa_store.store import Store
from pfa_store.videos import Video
from workers.item_tasks import ItemTasks
from workers.left_out import LeftOutFile, leave_out
from workers.pack_tasks import PackTask, Refused
from workers.packing import pack_all, pack_from
from workers.sources import SourceVideo
from workers.work import Work

Packs = tuple[Mapping[str, Pack], list[LeftOutFile]]
"""By video id, the packs; and the videos that have none, each of which is also an event of the job."""

MAX_HELPERS = 8
"""At most so many other workers are asked to help with a job."""


def packs_of(work: Work, videos: Sequence[SourceVideo], config: PackConfig) -> Generator[Progress, None, Packs]:
    """Make the packs of all videos, as many at once as there are cores.

    Raises:
        DiskFull, StoreUnavailable: packs cannot be written.
    """
    tasks = [task_of(work.store, source.video, config) for source in videos]
    refused = yield from pack_all(tasks, processes=num_processes(config, len(tasks)))
    return _opened(work, videos, tasks, refused)


def shared_packs_of(work: Work, videos: Sequence[SourceVideo], config: PackConfig) -> Generator[Progress, None, Packs]:
    """As `packs_of`, but every worker that is idle may help: the videos are items of the job.

    Raises:
        DiskFull, StoreUnavailable: packs cannot be written.
        LostLease: the job is in other hands.
    """
    store, job = work.store, work.job
    tasks = {source.video.id: task_of(store, source.video, config) for source in videos}
    store.items.enqueue(job, {name: task.pairs for name, task in tasks.items()})
    for _ in range(min(MAX_HELPERS, len(tasks) - 1)):
        if not store.queue.ring(job):
            break
    yield from pack_from(
        ItemTasks(store, job.id, tasks, worker=owner(job)), processes=num_processes(config, len(tasks))
    )
    refused = {
        item.video_id: Refused(item.error_code or "", item.error_message or "")
        for item in store.items.all(job.id)
        if item.status == "refused"
    }
    return _opened(work, videos, list(tasks.values()), refused)


def num_processes(config: PackConfig, num_tasks: int) -> int:
    """One for each core that we may use, and none that would be idle; torch's flow uses all there is by itself."""
    return 1 if config.backend == "torch" else min(len(os.sched_getaffinity(0)), num_tasks)


def _opened(
    work: Work, videos: Sequence[SourceVideo], tasks: Sequence[PackTask], refused: Mapping[str, Refused]
) -> Packs:
    left_out = []
    for source in videos:
        reason = refused.get(source.video.id)
        if reason is not None:
            left_out.append(
                leave_out(work, video=source.video.id, file=source.file, code=reason.code, message=reason.message)
            )
    # Every checksum was compared a moment ago by the process that built or found the pack.
    packs = {task.name: Pack.open(task.folder, verify=False) for task in tasks if task.name not in refused}
    return packs, left_out


def task_of(store: Store, video: Video, config: PackConfig) -> PackTask:
    """What is to be done for a video."""
    return PackTask(
        name=video.id,
        video=store.videos.path(video),
        folder=store.files.pack(video.sha256, pack_key(video.sha256, config)),
        config=config,
        video_sha256=video.sha256,
        limits=store.videos.limits,
        num_frames=video.num_frames,
    )
