"""Traces through every process of the service, as a collector gets them."""

import io
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import start_up
from tests.integration.clips import moving_clip
from tests.integration.otlp import collector
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


def test_a_job_is_in_the_trace_of_the_request_that_made_it(tmp_path: Path) -> None:
    with collector() as collected:
        up = start_up(tmp_path, PFA_TRACES_ENDPOINT=collected.url)
        try:
            with up.http() as http:
                made = http.post(
                    "/jobs/flow",
                    files={"files": ("a.mp4", io.BytesIO(moving_clip(num_frames=20)))},
                    data={"config": '{"config": {"short_side_px": 64}}'},
                    headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
                )
                assert made.status_code == httpx.codes.ACCEPTED, made.text
            wait_for(lambda: collected.named("job flow") or None, timeout_s=120, what="the span of the job")
        finally:
            assert up.stop() == 0, up.log.read_text()
        spans = collected.spans
    names = {span.name: span for span in spans}
    request = names["POST /jobs/flow"]
    assert (request.service, request.trace_id) == ("pfa-api", TRACE)
    attempt = names["job flow"]
    assert (attempt.service, attempt.trace_id, attempt.parent_id) == ("pfa-worker", TRACE, request.span_id)
    assert attempt.attributes["pfa.status"] == "succeeded"
    wait = names["wait flow"]
    assert (wait.trace_id, wait.parent_id) == (TRACE, request.span_id)
    assert wait.end_ns <= attempt.start_ns + 10**9
    phases = [span for span in spans if span.service == "pfa-runner"]
    assert phases
    for phase in phases:
        assert (phase.trace_id, phase.parent_id) == (TRACE, attempt.span_id)
        assert attempt.start_ns <= phase.start_ns <= phase.end_ns <= attempt.end_ns
