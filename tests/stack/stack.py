"""The containers of docker-compose.yml, under a project name of their own, spoken to over HTTP and with `docker`."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import wait_for

PROJECT = "pfa-stack-test"
SERVICES = ("api", "postgres", "redis", "worker-flow", "worker-train")
"""Those that go on; `secrets` and `migrate` end."""
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """Those of some compose files."""

    project: str
    files: tuple[str, ...] = ("docker-compose.yml",)
    """From the root of the repository."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the files read from the shell."""

    def compose(self, *arguments: str, timeout_s: float = 600) -> str:
        """What `docker compose` says; it must succeed."""
        done = subprocess.run(
            [
                "docker",
                "compose",
                "--project-name",
                self.project,
                *(part for name in self.files for part in ("--file", name)),
                *arguments,
            ],
            cwd=_ROOT,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        name = self.compose("ps", "--all", "--quiet", service).strip()
        found = subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True)
        one: dict[str, Any] = json.loads(found.stdout)[0]
        return one

    def engine(self, *arguments: str) -> str:
        """What `docker` itself says; it must succeed."""
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout

    def crash(self, service: str) -> None:
        """SIGKILL its first process, as the kernel does when memory is short, and wait until it is back."""
        before = self.inspect(service)["State"]["Pid"]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self._is_up(service, other_than=before), what=f"{service} after its crash", timeout_s=180)

    def wait_until_healthy(self, *services: str) -> None:
        for service in services:
            wait_for(lambda service=service: self._is_up(service), what=f"a healthy {service}", timeout_s=600)  # type: ignore[misc]  # bound

    def _is_up(self, service: str, *, other_than: int = 0) -> bool:
        state = self.inspect(service)["State"]
        return state["Status"] == "running" and state["Pid"] != other_than and state["Health"]["Status"] == "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(Containers):
    """The whole service."""

    project: str = PROJECT

    def http(self) -> httpx.Client:
        """A client with the admin key, which the API wrote into the data volume."""
        key = self.compose("exec", "-T", "api", "cat", "/data/admin.key").strip()
        return httpx.Client(
            base_url=f"http://{self.variables['PFA_PUBLISH']}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(120),
            transport=httpx.HTTPTransport(retries=3),
        )


def job_at(http: httpx.Client, location: str) -> Mapping[str, Any] | None:
    """A job, or None while the API is away."""
    try:
        answer = http.get(location)
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def finished(http: httpx.Client, answer: httpx.Response) -> Mapping[str, Any]:
    """The job that was accepted, once it is done; it must have succeeded."""
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    location = answer.headers["Location"]

    def done() -> Mapping[str, Any] | None:
        job = job_at(http, location)
        return job if job is not None and job["done"] else None

    job = wait_for(done, timeout_s=900, what=location)
    assert job["status"] == "succeeded", job
    return job
