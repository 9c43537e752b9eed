"""Prometheus itself, with the configuration of the containers, on a running service."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa.watch_files import make_watch_files
from tests.e2e.conftest import free_port
from tests.integration.api.service import Service
from tests.missing import missing
from tests.waiting import wait_for

DOCKER = Path(__file__).resolve().parents[3] / "docker"

CASES = """\
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="pfa"}', values: "0x10"}
      - {series: 'pfa_workers{queue="flow",status="idle"}', values: "0x10"}
      - {series: 'pfa_workers{queue="flow",status="busy"}', values: "0x10"}
      - {series: 'pfa_workers{queue="flow",status="lost"}', values: "2x10"}
      - {series: 'pfa_workers{queue="train",status="idle"}', values: "1x10"}
      - {series: 'pfa_workers{queue="train",status="lost"}', values: "0x10"}
      - {series: 'pfa_oldest_job_seconds{queue="train"}', values: "3600x3 3700x7"}
      - {series: 'pfa_disk_free_bytes', values: "2999x10"}
      - {series: 'pfa_disk_reserve_bytes', values: "1000x10"}
      - {series: 'pfa_requests_total{route="/videos",status="200"}', values: "0+97x10"}
      - {series: 'pfa_requests_total{route="/videos",status="500"}', values: "0+3x10"}
    alert_rule_test:
      - {eval_time: 1m, alertname: PfaUnreachable, exp_alerts: []}
      - {eval_time: 3m, alertname: PfaUnreachable,
         exp_alerts: [{exp_labels: {severity: critical, job: pfa},
           exp_annotations: {summary: "The API does not answer, or does not know the key of Prometheus"}}]}
      - {eval_time: 6m, alertname: PfaNoWorker,
         exp_alerts: [{exp_labels: {severity: critical, queue: flow},
           exp_annotations: {summary: "The queue flow has no worker, so its jobs wait"}}]}
      - {eval_time: 6m, alertname: PfaWorkerLost,
         exp_alerts: [{exp_labels: {severity: warning, queue: flow, status: lost},
           exp_annotations: {summary: "2 workers of the queue flow fell silent within the last hour"}}]}
      - {eval_time: 6m, alertname: PfaJobsWait, exp_alerts: []}
      - {eval_time: 10m, alertname: PfaJobsWait,
         exp_alerts: [{exp_labels: {severity: warning, queue: train},
           exp_annotations: {summary: "A job has waited in the queue train for 1h 1m 40s"}}]}
      - {eval_time: 6m, alertname: PfaDiskShort,
         exp_alerts: [{exp_labels: {severity: critical},
           exp_annotations: {summary: "2.929kiB of disk are free; uploads answer 507 below the reserve"}}]}
      - {eval_time: 10m, alertname: PfaErrors,
         exp_alerts: [{exp_labels: {severity: critical},
           exp_annotations: {summary: "3% of the answers are errors of the service"}}]}
"""
"""What has to be told when, reckoned by hand."""


def need_prometheus() -> None:
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        missing("Prometheus is not installed (Debian: prometheus)")


def settled(folder: Path, service: Service) -> Path:
    """The configuration with another target, key file and pace."""
    make_watch_files(folder, service.store)
    text = (DOCKER / "prometheus" / "prometheus.yml").read_text()
    for before, after in (
        ("/watch/metrics_key", str(folder / "metrics_key")),
        ("api:8000", service.url.removeprefix("http://")),
        ("interval: 15s", "interval: 1s"),
    ):
        assert before in text
        text = text.replace(before, after)
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(DOCKER / "prometheus" / "alerts.yml", folder)
    return folder / "prometheus.yml"


@contextmanager
def prometheus(config: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that runs for a while."""
    address = f"127.0.0.1:{free_port()}"
    with (config.parent / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={config.parent / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as http:
                yield http
        finally:
            process.terminate()
            process.wait(30)


def asked(http: httpx.Client, path: str, **params: str) -> Any:
    answer = http.get(path, params=params)
    assert answer.json()["status"] == "success", answer.text
    return answer.json()["data"]


def test_configuration_and_alerts_are_what_they_should_be(tmp_path: Path, service: Service) -> None:
    need_prometheus()
    config = settled(tmp_path, service)
    (tmp_path / "cases.yml").write_text(CASES)
    for command in (["check", "config", str(config)], ["test", "rules", "cases.yml"]):
        done = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_the_service_with_its_own_key(tmp_path: Path, service: Service) -> None:
    need_prometheus()
    with prometheus(settled(tmp_path, service)) as http:

        def target() -> Any:
            try:
                ready = http.get("/targets").status_code != httpx.codes.SERVICE_UNAVAILABLE
            except httpx.TransportError:
                return None
            found = asked(http, "/targets")["activeTargets"] if ready else ()
            return found[0] if found and found[0]["health"] != "unknown" else None

        scraped = wait_for(target, timeout_s=60, what="the first scrape")
        assert (scraped["health"], scraped["lastError"]) == ("up", "")

        def rules() -> Any:
            found = [rule for group in asked(http, "/rules")["groups"] for rule in group["rules"]]
            return found if found and all(rule["health"] != "unknown" for rule in found) else None

        evaluated = wait_for(rules, timeout_s=60, what="the rules to be evaluated")
        assert {rule["health"] for rule in evaluated} == {"ok"}

        def pending() -> bool:
            return {rule["name"] for rule in rules() or () if rule["state"] == "pending"} >= {"PfaNoWorker"}

        wait_for(pending, timeout_s=60, what="the alert that this service has no workers")
        assert {rule["state"] for rule in rules() if rule["name"] == "PfaUnreachable"} == {"inactive"}
        for panel in json.loads((DOCKER / "grafana" / "pfa.json").read_text())["panels"]:
            for query in panel["targets"]:
                asked(http, "/query", query=query["expr"].replace("$__rate_interval", "1m"))
        assert asked(http, "/query", query="pfa_disk_free_bytes")["result"]


@pytest.mark.parametrize("name", ["pfa_jobs_waiting", "pfa_oldest_job_seconds", "pfa_disk_free_bytes"])
def test_metrics_of_the_service_as_a_whole_are_exported(name: str, service: Service) -> None:
    with service.http() as http:
        assert f"\n{name}" in http.get("/metrics").text
