"""Packing processes that are killed, by their video or by anything else."""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_core.config.flow import PackConfig, fast, paper
from pfa_core.packs import Pack
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits
from pfa_store.errors import StoreUnavailable
from pfa_store.items import owner
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.clips import write_clip
from tests.waiting import wait_for
from workers.item_tasks import ItemTasks
from workers.pack_task import PackTask
from workers.packing import pack_from

CONFIG = PackConfig(short_side_px=64, backend="dis", tvl1=fast())


def task(folder: Path, name: str, *, num_frames: int) -> PackTask:
    video = write_clip(folder / f"{name}.mp4", num_frames=num_frames)
    return PackTask(
        name=name,
        video=video,
        folder=folder / "packs" / name,
        config=CONFIG,
        video_sha256="0" * 64,
        limits=DecodeLimits(),
        pairs=num_frames - 1,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Without a broker: nobody helps."""
    opened = Store.open(Settings(data_dir=tmp_path / "data", min_free_bytes=0, part_frames=24))
    yield opened
    opened.close()


def supply(store: Store, tasks: list[PackTask]) -> ItemTasks:
    """The tasks as the items of a job that has begun."""
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=[task.name for task in tasks])).id, "w")
    assert job is not None
    store.items.enqueue(job, {task.name: task.pairs + 1 for task in tasks})
    return ItemTasks(store, job.id, {task.name: task for task in tasks}, worker=owner(job))


class Killing:
    """Takes steps and kills the packing process as soon as it has begun, a number of times."""

    def __init__(self, store: Store, tasks: list[PackTask], *, times: int) -> None:
        self._store = store
        self._steps = pack_from(supply(store, tasks), processes=min(1, len(tasks)))
        self._left = times
        self._killed: set[int] = set()
        self.seen: list[Progress] = []

    def run(self) -> dict[str, str]:
        """Returns the code of why a video was refused, by name."""
        for progress in self._steps:
            self.seen.append(progress)
            fresh = {child.pid for child in multiprocessing.active_children() if child.pid} - self._killed
            if fresh and self._left:
                (pid,) = fresh
                os.kill(pid, signal.SIGKILL)
                self._killed.add(pid)
                self._left -= 1
        (job,) = self._store.jobs.list().items
        return {name: code for name, (code, _) in self._store.items.refused(job.id).items()}


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def test_a_video_is_tried_again_after_a_crash(store: Store, tmp_path: Path) -> None:
    killing = Killing(store, [task(tmp_path, "a", num_frames=40)], times=1)
    assert killing.run() == {}
    assert Pack.open(tmp_path / "packs" / "a").num_frames == 40
    last = killing.seen[-1]
    assert (last.phase, last.step, last.total) == ("flow", 39, 39)


def test_a_video_that_crashes_twice_is_left_out_and_the_others_are_done(store: Store, tmp_path: Path) -> None:
    tasks = [task(tmp_path, "long", num_frames=60), task(tmp_path, "short", num_frames=5)]
    refused = Killing(store, tasks, times=2).run()
    assert set(refused) == {"long"}
    assert refused["long"] == "video_unreadable"
    assert Pack.open(tmp_path / "packs" / "short").num_frames == 5
    assert not (tmp_path / "packs" / "long").exists()


def test_closing_kills_what_runs(store: Store, tmp_path: Path) -> None:
    steps = pack_from(supply(store, [task(tmp_path, "a", num_frames=60)]), processes=2)
    next(steps)
    steps.close()
    assert not (tmp_path / "packs" / "a").exists()


def test_closing_amid_slow_flow_is_prompt(store: Store, tmp_path: Path) -> None:
    """Large frames and the slowest backend: one pair takes long, and still the job stops within two seconds."""
    video = write_clip(tmp_path / "a.mp4", num_frames=300, size=(240, 320))
    slow = PackConfig(short_side_px=240, backend="opencv", tvl1=paper())
    working = dataclasses.replace(task(tmp_path, "b", num_frames=300), video=video, config=slow)
    steps = pack_from(supply(store, [working]), processes=1)
    for progress in steps:
        if progress.step >= 2:
            break
    assert readers_of(video)
    asked_s = time.monotonic()
    steps.close()
    assert time.monotonic() - asked_s < 2
    assert not Path(working.folder).exists()
    wait_for(lambda: not readers_of(video), what="the decoder's end", timeout_s=2)


def readers_of(video: Path) -> list[Path]:
    """Open files of any process that are this video."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # the process is gone, or not ours
            if link.readlink() == video:
                found.append(link)
    return found


def test_a_folder_that_cannot_be_written_fails_the_job(store: Store, tmp_path: Path) -> None:
    (tmp_path / "packs").touch()
    with pytest.raises(StoreUnavailable):
        Killing(store, [task(tmp_path, "a", num_frames=5)], times=0).run()


def test_no_videos_need_no_process(store: Store) -> None:
    assert Killing(store, [], times=0).run() == {}
