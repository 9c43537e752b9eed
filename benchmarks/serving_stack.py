"""The servers of `benchmarks.serving`: each started with two threads in all, or as many as asked for, and stopped."""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import torch

from benchmarks.serving_model import (
    BATCH_VARIABLE,
    EXECUTOR_VARIABLE,
    FOLDER_VARIABLE,
    NUMERICS_VARIABLE,
    WORKERS_VARIABLE,
)
from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_core.skeleton import FLIC
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.tuning import TUNING

READY_S = 180.0
NETS = {
    "null": NetConfig(width=1 / 32, crop_px=64, norm="batch"),
    "small": NetConfig(width=1 / 4, crop_px=128, norm="batch"),
    "full": NetConfig(width=1, crop_px=224),
}
"""`null`: the smallest pose net there is, whose answer costs well under a millisecond; `small`: that of `small()`;
`full`: VGG-M as in the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What all servers are given alike."""

    work: Path
    peers: Path
    """Python of the environment of the peers."""
    threads: int
    max_batch: int
    executor: str = ""
    """What runs the network, of PFA and of peers with equal numerics; empty: as each does by itself."""
    pfa_settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.work / "data"

    @property
    def key_file(self) -> Path:
        return self.data_dir / "admin.key"

    def folder(self, model: str) -> Path:
        """The folder of a model's first version."""
        return self.data_dir / "models" / model / "1"

    def prepare(self, images: Path, *, num_images: int) -> None:
        """Publish the models and make the images, once."""
        store = Store.open(Settings(data_dir=self.data_dir, min_free_bytes=0))
        store.keys.ensure_admin()
        known = {model.name for model in store.models.list()}
        for name, net in NETS.items():
            for seed in range(2) if name not in known else ():
                _publish(store, name, net, seed)
        store.close()
        (self.work / "images").mkdir(exist_ok=True)
        for number, path in enumerate(sorted(images.rglob("*.jpg"))[:num_images]):
            picture = cv2.imread(str(path))
            assert picture is not None, path
            scale = 256 / max(picture.shape[:2])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(self.work / "images" / f"{number:03d}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 90])


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    url: str
    field: str
    key_file: Path | None
    pid: int

    def load(self, stack: Stack, *, clients: int, seconds: float) -> dict[str, Any]:
        """What the load generator finds, in a process of its own."""
        command = [
            *(sys.executable, "-m", "benchmarks.serving_load", "--url", self.url, "--field", self.field),
            *("--images", str(stack.work / "images"), "--clients", str(clients), "--seconds", str(seconds)),
            *(() if self.key_file is None else ("--key-file", str(self.key_file))),
        ]
        before_s = self.cpu_s()
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        found["server_cpu_s"] = self.cpu_s() - before_s
        return found

    def cpu_s(self) -> float:
        """Processor time that its living processes have taken so far."""
        ticks = 0
        for pid in tree(self.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:  # it ended just now
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory of all its processes, what they share counted in each."""
        total = 0
        for pid in tree(self.pid):
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except FileNotFoundError:  # it ended just now
                continue
        return total


def tree(pid: int) -> list[int]:
    """A process and all that it has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


@contextmanager
def pfa(stack: Stack, model: str, numerics: str, *, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`pfa api` with a process a thread."""
    port = free_port()
    ours = {
        "PFA_DATA_DIR": str(stack.data_dir),
        "PFA_PORT": str(port),
        "PFA_MIN_FREE_BYTES": "0",
        "PFA_NUM_THREADS": str(stack.threads),
        "PFA_NUMERICS": numerics,
        "PFA_MAX_BATCH": str(stack.max_batch),
        **({"PFA_EXECUTOR": stack.executor} if stack.executor else {}),
        **stack.pfa_settings,
        **(settings or {}),
    }
    command = [sys.executable, "-m", "pfa", "api", "--processes", str(stack.threads)]
    url = f"http://127.0.0.1:{port}/predict/pose?model={model}"
    with _started(stack, "pfa", command, environment=ours, url=url, key_file=stack.key_file) as running:
        yield running


@contextmanager
def litserve(stack: Stack, model: str, numerics: str) -> Iterator[Running]:
    """LitServe with a worker a thread."""
    port = free_port()
    command = [str(stack.peers), "-m", "benchmarks.serving_litserve", "--port", str(port)]
    command += ["--workers", str(stack.threads), "--max-batch", str(stack.max_batch)]
    environment = _of_peers(stack, model, numerics)
    url = f"http://127.0.0.1:{port}/predict"
    with _started(stack, "litserve", command, environment=environment, url=url, form_field="request") as running:
        yield running


@contextmanager
def bentoml(stack: Stack, model: str, numerics: str) -> Iterator[Running]:
    """BentoML with a worker a thread."""
    port = free_port()
    command = [str(stack.peers), "-m", "bentoml", "serve", "benchmarks.serving_bentoml:Pose"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **_of_peers(stack, model, numerics),
        WORKERS_VARIABLE: str(stack.threads),
        BATCH_VARIABLE: str(stack.max_batch),
        "BENTOML_HOME": str(stack.work / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "1",
    }
    url = f"http://127.0.0.1:{port}/predict"
    with _started(stack, "bentoml", command, environment=environment, url=url) as running:
        yield running


SERVERS = {"pfa": pfa, "litserve": litserve, "bentoml": bentoml}


@dataclass(frozen=True, slots=True)
class Bare:
    """The network without a server."""

    rows_per_s: float
    """Of all processes."""
    pass_ms: float
    shared_ms: float
    """Processor time that an image takes in every server: decoding, cropping, the network, reading out."""


def bare(stack: Stack, model: str, numerics: str, *, batch: int, processes: int, seconds: float) -> Bare:
    """Call the network alone, in so many processes of one thread."""
    command = [sys.executable, "-m", "benchmarks.serving_model", "--folder", str(stack.folder(model))]
    command += ["--numerics", numerics, "--batch", str(batch), "--seconds", str(seconds)]
    command += ["--images", str(stack.work / "images"), "--executor", stack.executor]
    environment = {**os.environ, **_of_peers(stack, model, numerics)}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(processes)]
    found = [json.loads(process.communicate()[0]) for process in started]
    return Bare(
        rows_per_s=sum(each["rows_per_s"] for each in found),
        pass_ms=statistics.mean(each["pass_ms"] for each in found),
        shared_ms=min(each["shared_ms"] for each in found),
    )


def _of_peers(stack: Stack, model: str, numerics: str) -> dict[str, str]:
    tuning = {} if numerics == "plain" else dict(TUNING)
    return {
        **tuning,
        FOLDER_VARIABLE: str(stack.folder(model)),
        NUMERICS_VARIABLE: numerics,
        EXECUTOR_VARIABLE: stack.executor,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH")))),
    }


@contextmanager
def _started(
    stack: Stack,
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    url: str,
    key_file: Path | None = None,
    form_field: str = "file",
) -> Iterator[Running]:
    """Start a server in a session of its own, wait for its first right answer, and leave none of its processes."""
    image = next((stack.work / "images").iterdir()).read_bytes()
    headers = {} if key_file is None else {"Authorization": f"Bearer {key_file.read_text().strip()}"}
    log_path = stack.work / f"{name}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline_s = time.monotonic() + READY_S
        while True:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{name} did not answer; its log: {log_path}")
            try:
                answer = httpx.post(url, files={form_field: image}, headers=headers, timeout=60)
                if answer.status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        yield Running(url=url, field=form_field, key_file=key_file, pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(process.pid)
            process.wait()


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _publish(store: Store, name: str, net: NetConfig, seed: int) -> None:
    torch.manual_seed(seed)
    config = ModelConfig(kind="pose", net=net, joints=FLIC)
    folder = store.files.root / "tmp" / f"{name}-{seed}"
    manifest = save_model(folder, build(config), config=config, lineage=Lineage(seed=seed), metrics={})
    store.models.publish(folder, name, None, manifest=manifest)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
