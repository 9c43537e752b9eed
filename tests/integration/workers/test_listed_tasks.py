"""Packs without a job: whole videos that nobody else works at, and packing processes that are killed."""

import multiprocessing
import os
import signal
from pathlib import Path

from pfa_core.packs import Pack
from pfa_core.progress import Progress
from tests.integration.workers.test_packing import task
from workers.listed_tasks import pack_all
from workers.pack_task import PackTask, Refused


def packed(tasks: list[PackTask], seen: list[Progress], *, kills: int = 0) -> dict[str, Refused]:
    """Run to the end, killing the packing process as soon as it has begun, a number of times."""
    steps = pack_all(tasks, processes=1)
    killed: set[int] = set()
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            refused: dict[str, Refused] = end.value
            assert multiprocessing.active_children() == []
            return refused
        fresh = {child.pid for child in multiprocessing.active_children() if child.pid} - killed
        if fresh and len(killed) < kills:
            (pid,) = fresh
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)


def test_all_are_packed_and_counted_and_packs_that_are_there_are_kept(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "a", num_frames=20), task(tmp_path, "b", num_frames=9)]
    seen: list[Progress] = []
    assert packed(tasks, seen) == {}
    assert [Pack.open(tmp_path / "packs" / name).num_frames for name in "ab"] == [20, 9]
    assert (seen[-1].phase, seen[-1].step, seen[-1].total) == ("flow", 27, 27)
    header = tmp_path / "packs" / "a" / "pack.json"
    before = header.stat().st_mtime_ns
    assert packed(tasks, []) == {}
    assert header.stat().st_mtime_ns == before


def test_a_damaged_video_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    good, bad = task(tmp_path, "good", num_frames=9), task(tmp_path, "bad", num_frames=9)
    bad.video.write_bytes(bad.video.read_bytes()[:2000])
    refused = packed([good, bad], [])
    assert list(refused) == ["bad"]
    assert refused["bad"].code == "video_unreadable"
    assert sorted(path.name for path in (tmp_path / "packs").iterdir()) == ["good"]


def test_a_video_is_tried_again_after_a_crash(tmp_path: Path) -> None:
    seen: list[Progress] = []
    assert packed([task(tmp_path, "a", num_frames=40)], seen, kills=1) == {}
    assert Pack.open(tmp_path / "packs" / "a").num_frames == 40


def test_a_video_that_crashes_twice_is_left_out_and_the_others_are_done(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "long", num_frames=60), task(tmp_path, "short", num_frames=5)]
    refused = packed(tasks, [], kills=2)
    assert {name: why.code for name, why in refused.items()} == {"long": "video_unreadable"}
    assert Pack.open(tmp_path / "packs" / "short").num_frames == 5
    assert not (tmp_path / "packs" / "long").exists()


def test_no_videos_need_no_process() -> None:
    assert packed([], []) == {}
