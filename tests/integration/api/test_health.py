"""Health and metrics."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api.service import Service


def test_health_says_what_works(service: Service) -> None:
    assert httpx.get(f"{service.url}/health/live").json() == {"status": "live"}
    ready = httpx.get(f"{service.url}/health/ready")
    assert ready.status_code == httpx.codes.OK
    workers = {"flow": 0, "train": 0}
    told = {"status": "ready", "database": True, "files": True, "reason": None, "broker": False, "workers": workers}
    assert ready.json() == told


def test_requests_are_counted_by_route_and_status(service: Service) -> None:
    def count(status: str) -> float:
        with service.http() as http:
            text = http.get("/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "pfa_requests_total"
            and (sample.labels["route"], sample.labels["status"]) == ("/jobs/{job_id}", status)
        )

    before = count("404")
    with service.http() as http:
        http.get("/jobs/one")
        http.get("/jobs/two")
    assert count("404") == before + 2


def test_unknown_paths_do_not_fill_the_metrics(service: Service) -> None:
    with service.http() as http:
        assert http.get("/nowhere/at/all").status_code == httpx.codes.NOT_FOUND
        text = http.get("/metrics").text
    assert "nowhere" not in text
    for name in ("pfa_request_seconds_bucket", "pfa_queue_rows", "pfa_batch_rows_bucket", "pfa_models_loaded"):
        assert name in text
