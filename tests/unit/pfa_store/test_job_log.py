"""A log that does not grow without bounds, and its last lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_store.files import Files
from pfa_store.job_log import JobLog


@pytest.fixture
def log(tmp_path: Path) -> JobLog:
    made = JobLog(Files(tmp_path), "job_1")
    made.path.parent.mkdir(parents=True)
    return made


def text(log: JobLog) -> bytes:
    return b"".join(log.chunks())


def test_a_log_that_is_not_there_is_empty(log: JobLog) -> None:
    assert not log.rotate(max_bytes=10)
    assert (text(log), log.tail(5)) == (b"", b"")


def test_who_has_it_open_writes_on(log: JobLog) -> None:
    """Whole parts go aside, one is kept; nothing of the newest `max_bytes` is ever missing."""
    written = b""
    with log.path.open("ab", buffering=0) as file:
        for n in range(200):
            line = b"line %d\n" % n
            file.write(line)
            written += line
            log.rotate(max_bytes=100)
            assert written.endswith(text(log))
            assert len(text(log)) >= min(len(written), 100)
            assert len(text(log)) <= 2 * 100 + 100
    assert text(log).startswith(b"line ")
    assert sorted(path.name for path in log.path.parent.iterdir()) == ["log.1.txt", "log.txt"]


def test_a_log_that_grew_too_fast_loses_its_beginning(log: JobLog) -> None:
    log.path.write_bytes(b"".join(b"line %d\n" % n for n in range(10_000)))
    assert log.rotate(max_bytes=1024)
    assert 2000 < len(text(log)) <= 2048
    assert text(log).startswith(b"line ")
    assert text(log).endswith(b"line 9999\n")


@given(
    before=st.binary(max_size=40).map(lambda data: data.replace(b"\r", b"\n")),
    now=st.binary(max_size=40),
    num_lines=st.integers(1, 9),
)
def test_the_tail_is_the_end_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, now: bytes, num_lines: int
) -> None:
    """A part that is moved aside ends with a line, as the log does when a process has ended."""
    log = JobLog(Files(tmp_path_factory.mktemp("log")), "job_1")
    log.path.parent.mkdir(parents=True)
    if before:
        log.before.write_bytes(before + b"\n")
    log.path.write_bytes(now)
    lines = text(log).split(b"\n")
    ended = lines[-1] == b""
    last = lines[-num_lines - 1 :] if ended else lines[-num_lines:]
    assert log.tail(num_lines) == b"\n".join(last)


def test_the_tail_of_long_lines(log: JobLog) -> None:
    log.path.write_bytes(b"a" * 100_000 + b"\n" + b"b" * 200_000 + b"\n" + b"c\n")
    assert log.tail(2) == b"b" * 200_000 + b"\nc\n"
    assert log.tail(9) == log.path.read_bytes()
