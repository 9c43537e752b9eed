"""The packs of a job's videos: made where they are missing. What flow and pretraining jobs have in common."""

import os
from collections.abc import Generator, Mapping, Sequence

from pfa_core.config.flow import PackConfig
from pfa_core.packs import Pack, pack_key
from pfa_core.progress import Progress
from workers.left_out import LeftOutFile, leave_out
from workers.packing import PackTask, pack_all
from workers.sources import SourceVideo
from workers.work import Work


def packs_of(
    work: Work, videos: Sequence[SourceVideo], config: PackConfig
) -> Generator[Progress, None, tuple[Mapping[str, Pack], list[LeftOutFile]]]:
    """Make the packs of all videos, as many at once as there are cores; torch's flow uses all there is by itself.

    Returns:
        By video id, the packs; and the videos that have none, each of which is also an event of the job.

    Raises:
        DiskFull, StoreUnavailable: packs cannot be written.
    """
    tasks = [_task(work, source, config) for source in videos]
    processes = 1 if config.backend == "torch" else len(os.sched_getaffinity(0))
    refused = yield from pack_all(tasks, processes=processes)
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


def _task(work: Work, source: SourceVideo, config: PackConfig) -> PackTask:
    store, video = work.store, source.video
    return PackTask(
        name=video.id,
        video=store.videos.path(video),
        folder=store.files.pack(video.sha256, pack_key(video.sha256, config)),
        config=config,
        video_sha256=video.sha256,
        limits=store.videos.limits,
        num_frames=video.num_frames,
    )
