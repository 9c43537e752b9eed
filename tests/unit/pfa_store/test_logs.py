"""Log lines as programs read them, written by a process of its own: logging is set up for a whole process."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

SAID = """
import asyncio, logging, sys, threading, warnings
from pfa_store import logs
from pfa_store.settings import Settings
from pfa_store.job_origin import origin_here

logs.configure(Settings(), role="worker-flow")
logger = logging.getLogger("pfa.test")
logger.debug("too small to tell")
logger.info('a "quoted" line\\nand %s', "another")
with logs.bound(job_id="job_1", attempt=2):
    logger.warning("bound", extra={"fields": {"kind": "flow"}})
logger.info("no longer bound")
logging.getLogger("celery.worker").info("what nobody asked for")
logging.getLogger("celery.worker").error("what Celery says")
warnings.warn("old", DeprecationWarning, stacklevel=1)
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("failed")


async def request(name):
    logs.bind(request_id=name)
    await asyncio.sleep(0)
    await asyncio.to_thread(logger.info, "from %s", name)
    return origin_here()


async def two():
    return await asyncio.gather(request("one"), request("two"))


assert asyncio.run(two()) == [{"request_id": "one"}, {"request_id": "two"}]
assert origin_here() == {}
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
raise RuntimeError("nobody catches this")
"""


def said(**environment: str) -> list[str]:
    """What such a process writes to its standard error."""
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", SAID],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(PFA_LOG_FORMAT="json")]


def test_every_line_is_an_object_with_its_time_level_logger_and_role(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert line["time"].endswith("Z")
        assert abs((datetime.now(UTC) - datetime.fromisoformat(line["time"])).total_seconds()) < 120
        assert line["role"] == "worker-flow"
        assert line["level"] in ("info", "warning", "error", "critical")
        assert line["logger"]
        assert line["pid"] > 0


def test_a_message_of_two_lines_is_one_line(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["message"] == 'a "quoted" line\nand another'


def test_what_is_bound_is_told_for_as_long_as_it_is(lines: list[dict[str, Any]]) -> None:
    by_message = {line["message"]: line for line in lines}
    bound = by_message["bound"]
    assert (bound["level"], bound["job_id"], bound["attempt"], bound["kind"]) == ("warning", "job_1", 2, "flow")
    assert "job_id" not in by_message["no longer bound"]
    assert [by_message[f"from {name}"]["request_id"] for name in ("one", "two")] == ["one", "two"]


def test_exceptions_and_warnings_are_told_as_text_of_one_line(lines: list[dict[str, Any]]) -> None:
    by_message = {line["message"]: line for line in lines}
    assert by_message["failed"]["exception"].endswith("ZeroDivisionError: division by zero")
    assert by_message["thread worker ends by an exception"]["exception"].startswith("Traceback")
    assert lines[-1]["level"] == "critical"
    assert lines[-1]["exception"].endswith("RuntimeError: nobody catches this")
    assert any(line["logger"] == "py.warnings" and "old" in line["message"] for line in lines)


def test_libraries_tell_less_than_we_do(lines: list[dict[str, Any]]) -> None:
    messages = [line["message"] for line in lines]
    assert "what Celery says" in messages
    assert "what nobody asked for" not in messages
    assert "too small to tell" not in messages


def test_the_level_is_a_setting() -> None:
    messages = [json.loads(line)["message"] for line in said(PFA_LOG_FORMAT="json", PFA_LOG_LEVEL="error")]
    assert "failed" in messages
    assert "bound" not in messages
    assert "too small to tell" in [
        json.loads(line)["message"] for line in said(PFA_LOG_FORMAT="json", PFA_LOG_LEVEL="debug")
    ]


def test_people_get_lines_of_text() -> None:
    first = said()[0]
    assert first.endswith('INFO pfa.test: a "quoted" line')
