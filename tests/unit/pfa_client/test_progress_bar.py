"""The bar of plain text."""

import io

from pfa_client import Job, Progress
from pfa_client.progress_bar import Plain


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(step: int, total: int = 100, *, status: str = "running", phase: str = "train") -> Job:
    return Job(
        id="job_1", kind="pretrain", status=status, done=status == "succeeded", phase=phase, attempt=1, created="",
        progress=Progress(step=step, total=total, eta_s=12.3),
    )  # fmt: skip


def test_a_file_gets_a_line_for_each_tenth() -> None:
    told = io.StringIO()
    bar = Plain(told)
    for step in range(101):
        bar.show(at(step))
    bar.show(at(100, status="succeeded"))
    lines = told.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[0] == "job_1 train 0/100, 12 s left"
    assert lines[-1] == "job_1 succeeded 100/100"


def test_a_terminal_has_one_line_that_is_written_over() -> None:
    told = Terminal()
    bar = Plain(told)
    bar.show(at(50, phase="a long phase name"))
    bar.show(at(50, 0, phase="x"))
    bar.show(at(100, status="succeeded"))
    first, second, third = told.getvalue().split("\r")[1:]
    assert first.count("#") == 12
    assert len(second) == len(first), "nothing of a longer line is left standing"
    assert third.endswith("\n")
    assert "\n" not in first + second
