"""The demo, as `make demo` runs it but with tiny budgets: its report, and what is left of it after Ctrl-C."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pfa.report import read_report
from pfa_core.synthetic import SceneConfig, make_clip_set
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from pfa.demo import Budget, DemoConfig, run_demo

videos = Path(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else None
budget = Budget(
    num_actors=2, num_frames=16, pretrain_steps=int(sys.argv[3]) if len(sys.argv) > 3 else 3,
    pose_steps=3, action_steps=3, images_per_clip=2,
)
run_demo(DemoConfig(out=Path(sys.argv[1]), videos=videos, budget=budget), Console(soft_wrap=True))
"""


def demo(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def test_the_report_tells_the_whole_way(tmp_path: Path) -> None:
    process = demo(tmp_path / "report")
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    report = read_report(tmp_path / "report")
    assert report.pretraining is not None
    assert report.pretraining.chance == pytest.approx(2 / 3)
    assert [comparison.task for comparison in report.comparisons] == ["Pose", "Action"]
    assert all([row.init for row in comparison.rows] == ["motion", "random"] for comparison in report.comparisons)
    assert len(report.predictions) == 8  # one held-out clip of each action
    assert report.heatmaps
    assert report.pairs
    assert report.filters is not None
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["images", "index.html", "report.json"]


def test_own_videos_are_pretrained_on_and_retrieved_from(tmp_path: Path) -> None:
    clips = make_clip_set(
        tmp_path / "own", num_actors=2, seed=3, config=SceneConfig(num_frames=16), actions=("walk", "squat")
    )
    (clips.folder / "videos" / "notes.mp4").write_text("not a video")
    process = demo(tmp_path / "report", clips.folder / "videos")
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    report = read_report(tmp_path / "report")
    assert report.pretraining is not None
    assert report.comparisons == ()
    assert len(report.pairs) == 4
    assert [(left.video, left.code) for left in report.left_out] == [("notes.mp4", "video_unsupported")]


def test_ctrl_c_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    process = demo(tmp_path / "report", "", "100000")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Rendered"):
            break
    out = tmp_path / "report"
    wait_for(lambda: list(out.glob(".work-*/data/jobs/*/work")), timeout_s=120, what="the job to run")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Stopped" in said
    assert list(out.iterdir()) == []
    wait_for(lambda: not _processes_under(out), timeout_s=30, what="every process of the demo to end")


def _processes_under(folder: Path) -> list[int]:
    marker = str(folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker in (entry / "environ").read_bytes() and (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
