"""Traces of requests and predictions, as a collector gets them from a real process."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.e2e.conftest import free_port
from tests.integration.api import media
from tests.integration.api.service import Output, environment_for, running
from tests.integration.otlp import collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


def test_a_prediction_s_parts_are_in_the_trace_of_its_caller(tmp_path: Path) -> None:
    with collector() as collected:
        with running(tmp_path, PFA_TRACES_ENDPOINT=collected.url) as service:
            service.publish("poser", "pose")
            with service.http() as http:
                http.get("/health/live")
                answer = http.post(
                    "/predict/pose",
                    params={"model": "poser"},
                    files={"file": media.encoded(media.picture())},
                    headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "traced"},
                )
                assert answer.status_code == 200, answer.text
        spans = {span.name: span for span in collected.spans}
    request = spans["POST /predict/pose"]
    assert (request.service, request.trace_id, request.parent_id) == ("pfa-api", TRACE, CALLER)
    assert request.attributes["http.route"] == "/predict/pose"
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["pfa.request_id"] == "traced"
    for name in ("decode", "queue", "forward"):
        assert (spans[name].trace_id, spans[name].parent_id) == (TRACE, request.span_id)
        assert request.start_ns <= spans[name].start_ns <= spans[name].end_ns
    assert spans["queue"].end_ns == spans["forward"].start_ns
    assert spans["forward"].attributes["batch_rows"] == 1
    assert not [name for name in spans if "health" in name], "what watches the service is not traced"
    assert service.key not in repr(collected.spans)


def test_a_collector_that_is_away_is_told_once_and_costs_no_answer(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    environment = environment_for(tmp_path, PFA_TRACES_ENDPOINT=endpoint, PFA_AUTH="off")
    with subprocess.Popen(
        [sys.executable, "-m", "api.serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = Output(process)
        try:
            url = output.wait_for(r"running on (http://\S+)")
            with httpx.Client(base_url=url) as http:
                assert http.get("/videos").status_code == 200
                output.wait_for("(does not take traces)")
                assert [http.get("/videos").status_code for _ in range(200)] == [200] * 200
        finally:
            process.terminate()
            process.wait(30)
            output.thread.join()
    told = "".join(output.lines)
    assert told.count("does not take traces") == 1
    assert "Traceback" not in told
    assert "WARNING" in told
    assert told.count("WARNING") + told.count("ERROR") == 1
