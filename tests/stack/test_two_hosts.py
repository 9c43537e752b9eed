"""A second machine's workers beside the stack, by docker/compose.worker.yml: work is shared, and a lost machine costs a
lease. Needs Docker, as root. The tests build on each other, in their order.

`PFA_STACK_LEASE_S=60 ... --capture no` tells how long recovery takes with the leases of an installation.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_core.synthetic import ClipSet
from tests.integration.clips import moving_clip
from tests.stack.stack import SERVICES, Containers, Stack, finished, job_at
from tests.waiting import wait_for

LEASE_S = float(os.environ.get("PFA_STACK_LEASE_S", "15"))
WORKERS = ("worker-flow", "worker-train")
SECOND = "second"
STEPS = 3000
TRAINING = {
    "net": {"width": 0.0625, "crop_px": 64},
    "learn": {"batch_size": 8, "validate_every_steps": 500, "checkpoint_every_steps": 50, "steps": STEPS},
    "val_triplets": 8,
    "pack": {"short_side_px": 64},
}


@pytest.fixture(scope="module")
def first(stack: Stack) -> Stack:
    """The stack, whose database and broker other machines may reach; with short leases."""
    (bridge,) = json.loads(stack.engine("network", "inspect", "bridge"))
    address = bridge["IPAM"]["Config"][0]["Gateway"]
    shared = replace(
        stack,
        files=(*stack.files, "docker/compose.first.yml", "tests/stack/short_leases.yml"),
        variables={**stack.variables, "PFA_INSIDE": address, "PFA_LEASE_S": f"{LEASE_S:g}"},
    )
    shared.compose("up", "--detach")
    shared.wait_until_healthy(*SERVICES)
    return shared


@pytest.fixture(scope="module")
def second(first: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """The other machine, started as docs/several-machines.md says."""
    secrets = tmp_path_factory.mktemp("secrets")
    secrets.chmod(0o755)
    for name in ("pfa_broker_url", "pfa_database_url"):
        (secrets / name).write_text(first.compose("exec", "-T", "api", "cat", f"/secrets/{name}"))
    made = Containers(
        project=f"{first.project}-{SECOND}",
        files=("docker/compose.worker.yml", "tests/stack/second_host.yml"),
        variables={
            "PFA_FIRST": first.variables["PFA_INSIDE"],
            "PFA_HOST_NAME": SECOND,
            "PFA_WORKER_SECRETS": str(secrets),
            "PFA_LEASE_S": f"{LEASE_S:g}",
            "PFA_DATA_VOLUME": f"{first.project}_data",
        },
    )
    try:
        made.compose("up", "--detach")
        made.wait_until_healthy(*WORKERS)
        yield made
    finally:
        made.compose("down", "--volumes")


@pytest.fixture(scope="module")
def http(first: Stack, second: Containers) -> Iterator[httpx.Client]:
    assert second.project != first.project
    with first.http() as client:
        yield client


@pytest.fixture(scope="module")
def curve(http: httpx.Client, clips: ClipSet) -> list[Mapping[str, Any]]:
    """That of a run which nothing happens to."""
    files: list[tuple[str, Any]] = [
        ("files", (clip.file, (clips.folder / clip.file).read_bytes())) for clip in clips.clips
    ]
    files.append(("annotations", ("labels.csv", clips.labels.read_bytes())))
    assert http.post("/datasets", files=files, data={"name": "people"}).status_code == 201
    accepted = post(http, "calm")
    finished(http, accepted)
    return curve_of(http, accepted.headers["Location"])


def post(http: httpx.Client, name: str) -> httpx.Response:
    return http.post("/jobs/pretrain", json={"name": name, "dataset": "people", "config": TRAINING})


def curve_of(http: httpx.Client, location: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = http.get(f"{location}/metrics").json()
    assert rows[-1]["step"] == STEPS
    return rows


def sql(first: Stack, statement: str) -> list[str]:
    """The rows that PostgreSQL answers, columns separated by `|`."""
    answer = first.compose("exec", "-T", "postgres", "psql", "-U", "pfa", "-d", "pfa", "-At", "-c", statement)
    return answer.splitlines()


def host_of(first: Stack, location: str) -> str:
    """Of the worker that claimed the job last."""
    (worker,) = sql(first, f"SELECT worker FROM jobs WHERE id = '{Path(location).name}'")
    return worker.rpartition(":")[0]


def listed(http: httpx.Client) -> set[str]:
    """Hosts whose workers are there."""
    return {one["host"] for one in http.get("/workers").json()["items"] if one["status"] != "lost"}


def trained(http: httpx.Client, location: str, *, beyond: int, attempt: int) -> int:
    """Wait until that attempt has made more steps than so many; returns how many there are."""

    def step() -> int | None:
        job = job_at(http, location)
        assert job is None or not job["done"], f"it ended too early: {job}"
        if job is None or job["status"] != "running" or job["phase"] != "train" or job["attempt"] != attempt:
            return None
        now: int = job["progress"]["step"]
        return now if now > beyond else None

    return wait_for(step, timeout_s=300, what=f"attempt {attempt} to train")


def begun_on_the_second(http: httpx.Client, first: Stack, name: str) -> str:
    """A training job that the second machine has begun with; the first's worker is there, and idle."""
    first.compose("stop", "worker-train")
    accepted = post(http, name)
    assert accepted.status_code == 202, accepted.text
    location: str = accepted.headers["Location"]
    trained(http, location, beyond=0, attempt=1)
    assert host_of(first, location) == f"{SECOND}-train"
    first.compose("start", "worker-train")
    first.wait_until_healthy("worker-train")
    return location


def ends_on_the_first(http: httpx.Client, first: Stack, location: str, curve: list[Mapping[str, Any]]) -> None:
    """It does so as if nothing had happened."""
    job = wait_for(lambda: ended(http, location), timeout_s=300, what=location)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert host_of(first, location) == first.inspect("worker-train")["Config"]["Hostname"]
    assert curve_of(http, location) == curve


def ended(http: httpx.Client, location: str) -> Mapping[str, Any] | None:
    job = job_at(http, location)
    return job if job is not None and job["done"] else None


def versions(http: httpx.Client, name: str) -> int:
    return sum(len(model["versions"]) for model in http.get("/models").json()["items"] if model["name"] == name)


def test_both_hosts_are_listed_by_name(http: httpx.Client, first: Stack) -> None:
    """Containers that were replaced together with the database could not sign off: they go when a lease is over."""
    ours = {first.inspect(name)["Config"]["Hostname"] for name in WORKERS}
    both = {*ours, f"{SECOND}-flow", f"{SECOND}-train"}
    assert listed(http) >= both
    wait_for(lambda: listed(http) == both, timeout_s=LEASE_S + 30, what="the list without the replaced containers")


def test_the_videos_of_a_job_are_divided_among_the_hosts(http: httpx.Client, first: Stack) -> None:
    ids = []
    for seed in range(12):
        clip = moving_clip(num_frames=80, size=(240, 320), seed=seed)
        ids.append(http.post("/videos", files={"files": (f"{seed}.mp4", clip)}).json()["videos"][0]["id"])
    accepted = http.post("/jobs/flow", json={"videos": ids})
    job = finished(http, accepted)
    counts: dict[str, int] = {}
    for line in sql(first, f"SELECT worker, count(*) FROM job_items WHERE job_id = '{job['id']}' GROUP BY 1"):
        worker, _, count = line.rpartition("|")
        own = worker.startswith("attempt ")
        counts[host_of(first, accepted.headers["Location"]) if own else worker.rpartition(":")[0]] = int(count)
    print(f"flow of 12 videos: {counts}")
    assert sum(counts.values()) == len(ids)
    assert sorted(host == f"{SECOND}-flow" for host in counts) == [False, True], "one of the two is the second machine"


def test_a_host_that_is_cut_off_costs_a_lease_and_works_again(
    http: httpx.Client, first: Stack, second: Containers, curve: list[Mapping[str, Any]]
) -> None:
    location = begun_on_the_second(http, first, "cut-off")
    reached = trained(http, location, beyond=100, attempt=1)
    names = [second.inspect(name)["Name"] for name in WORKERS]
    network = f"{second.project}_default"
    for name in names:
        second.engine("network", "disconnect", network, name)
    cut_s = time.monotonic()
    trained(http, location, beyond=reached, attempt=2)
    print(f"cut off with a lease of {LEASE_S:g} s: goes on elsewhere after {time.monotonic() - cut_s:.1f} s")
    train = second.inspect("worker-train")["Name"]
    wait_for(lambda: "workers.runner" not in second.engine("top", train), what="the end of the cut-off attempt")
    for name in names:
        second.engine("network", "connect", network, name)
    back_s = time.monotonic()
    hosts = {f"{SECOND}-flow", f"{SECOND}-train"}
    wait_for(lambda: hosts <= listed(http), timeout_s=120, what="the second machine, in the list again")
    print(f"listed again after {time.monotonic() - back_s:.1f} s")
    ends_on_the_first(http, first, location, curve)
    assert versions(http, "cut-off") == 1


def test_a_host_that_is_killed_costs_a_lease(
    http: httpx.Client, first: Stack, second: Containers, curve: list[Mapping[str, Any]]
) -> None:
    """It is the one that was cut off before: that it begins with the job shows that it takes work again."""
    began_s = time.monotonic()
    location = begun_on_the_second(http, first, "killed")
    print(f"the second machine trains again after {time.monotonic() - began_s:.1f} s")
    reached = trained(http, location, beyond=100, attempt=1)
    second.compose("kill")
    killed_s = time.monotonic()
    trained(http, location, beyond=reached, attempt=2)
    print(f"killed with a lease of {LEASE_S:g} s: goes on elsewhere after {time.monotonic() - killed_s:.1f} s")
    ends_on_the_first(http, first, location, curve)
    assert versions(http, "killed") == 1
    second.compose("start")
    second.wait_until_healthy(*WORKERS)
