"""The service behind Caddy with the configuration of docker/compose.tls.yml, asked over HTTPS."""

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import free_port
from tests.integration.api import media
from tests.integration.api.service import Service
from tests.missing import missing
from tests.waiting import wait_for

CADDYFILE = Path(__file__).resolve().parents[3] / "docker" / "Caddyfile"
CLIENT = "127.0.0.2"
"""Where the tests' connections come from: neither the proxy's address nor the service's."""


@dataclass(frozen=True, slots=True)
class Front:
    url: str
    plain_url: str
    authority: Path
    """Certificate of the authority that signed the proxy's own."""
    service: Service

    def http(self) -> httpx.Client:
        transport = httpx.HTTPTransport(
            verify=ssl.create_default_context(cafile=self.authority), local_address=CLIENT, trust_env=False
        )
        headers = {"Authorization": f"Bearer {self.service.key}"}
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=60)

    def audited(self) -> list[dict[str, object]]:
        """What the service's audit log has."""
        path = self.service.store.files.root / "audit" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def front(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    program = shutil.which("caddy")
    if program is None:
        missing("Caddy is not installed (Debian: caddy)")
    folder = tmp_path_factory.mktemp("caddy")
    https, http = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PFA_HTTPS_PORT": str(https),
        "PFA_HTTP_PORT": str(http),
        "PFA_UPSTREAM": service.url.removeprefix("http://"),
    }
    authority = folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [program, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        found = Front(f"https://localhost:{https}", f"http://localhost:{http}", authority, service)

        def answers() -> bool:
            assert process.poll() is None, (folder / "log.txt").read_text()
            try:
                with found.http() as client:
                    return client.get("/health/live").status_code == 200
            except (OSError, httpx.TransportError):
                return False

        try:
            wait_for(answers, timeout_s=30, what="Caddy")
            yield found
        finally:
            process.terminate()
            process.wait(30)


def test_plain_http_leads_to_https_and_browsers_are_told_to_stay(front: Front) -> None:
    redirected = httpx.get(f"{front.plain_url}/videos")
    assert redirected.status_code == 308
    assert redirected.headers["Location"].startswith("https://localhost")
    with front.http() as http:
        assert http.get("/health/live").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_console_s_cookie_never_goes_over_plain_http(front: Front) -> None:
    with front.http() as http:
        answer = http.post("/console/sign-in", data={"key": front.service.key}, headers={"Origin": front.url})
    assert answer.status_code == 303, answer.text
    assert "; secure" in answer.headers["Set-Cookie"].lower()


def test_the_audit_log_has_the_client_s_address(front: Front, clips: dict[str, Path]) -> None:
    """Not the proxy's, nor one that the client made up; the line is written once the answer is out."""
    before = len(front.audited())
    with front.http() as http, clips["two"].open("rb") as clip:
        answer = http.post("/videos", files={"files": ("a.mp4", clip)}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 201, answer.text
    (line,) = wait_for(lambda: front.audited()[before:], what="the line")
    assert (line["route"], line["from"]) == ("/videos", CLIENT)


def test_a_body_is_not_collected_before_the_service_sees_the_request(front: Front) -> None:
    """One that is too large is refused before most of it was sent."""
    address = httpx.URL(front.url)
    context = ssl.create_default_context(cafile=front.authority)
    connection = HTTPSConnection(address.host, address.port, context=context, source_address=(CLIENT, 0), timeout=20)
    with closing(connection):
        connection.putrequest("POST", "/videos")
        connection.putheader("Authorization", f"Bearer {front.service.key}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=part")
        connection.putheader("Content-Length", str(1024 * 2**20))
        connection.endheaders()
        sent = 0
        with suppress(ConnectionError, ssl.SSLEOFError):  # the service stops listening once it has seen enough
            while sent < 1024:
                connection.send(b"x" * 2**20)
                sent += 1
        assert connection.getresponse().status == 413
        assert sent < 256, "MiB"


def test_events_arrive_while_the_job_goes_on(front: Front, clips: dict[str, Path]) -> None:
    with front.http() as http:
        with clips["one"].open("rb") as clip:
            made = http.post("/jobs/flow", files={"files": ("a.mp4", clip)})
        assert made.status_code == 202, made.text
        url = f"{made.headers['Location']}/events"
        with http.stream("GET", url, headers={"Accept": "text/event-stream"}) as stream:
            lines = stream.iter_lines()
            assert any("queued" in line for line in lines), "the job waits: nobody works here"
            http.post(f"{made.headers['Location']}/cancel")
            assert any("cancelled" in line for line in lines)


def test_predictions_go_through(front: Front, name: str) -> None:
    front.service.publish(name, "pose")
    with front.http() as http:
        answer = http.post("/predict/pose", params={"model": name}, files={"file": media.encoded(media.picture())})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == f"{name}@1"
