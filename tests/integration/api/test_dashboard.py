"""The Grafana dashboard and the alerts ask only for what a running service exports."""

import json
import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api import media
from tests.integration.api.service import Service

ALERTS = Path(__file__).resolve().parents[3] / "docker" / "prometheus" / "alerts.yml"
DASHBOARD = Path(__file__).resolve().parents[3] / "docker" / "grafana" / "pfa.json"


def test_every_metric_of_the_dashboard_is_exported(service: Service, name: str) -> None:
    service.publish(name, "pose")
    with service.http() as http:
        asked = http.post("/predict/pose", params={"model": name}, files={"file": media.encoded(media.picture())})
        assert asked.status_code == 200, asked.text
        text = http.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    labels: dict[str, set[str]] = {}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    alerts = [rule["expr"] for group in groups for rule in group["rules"]]
    queries += [query for query in alerts if not query.startswith("up{")]
    asked_for = {metric for query in queries for metric in re.findall(r"pfa_\w+", query)}
    assert len(asked_for) >= 15
    assert asked_for <= set(labels)
    for query in queries:
        named = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
        named |= set(re.findall(r'(\w+)=~?"', query))
        known = set().union(*(labels[metric] for metric in re.findall(r"pfa_\w+", query)))
        assert named <= known, query


def test_every_metric_of_the_service_is_on_the_dashboard(service: Service) -> None:
    """Whoever adds a metric shows it."""
    with service.http() as http:
        text = http.get("/metrics").text
    shown = DASHBOARD.read_text()
    for family in text_string_to_metric_families(text):
        if not family.name.endswith("_created"):  # when a counter began: the client library adds it
            assert family.name in shown, family.name
