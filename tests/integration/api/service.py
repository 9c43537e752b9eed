"""A running service and what a test needs to talk to it."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import torch

from pfa_client import Client
from pfa_core.config import flow
from pfa_core.config.action import MotionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import NetConfig, Norm
from pfa_core.manifest import Lineage, ModelConfig, ModelKind
from pfa_core.models import build, save_model
from pfa_core.skeleton import FLIC
from pfa_store.models import ModelVersion
from pfa_store.settings import Settings
from pfa_store.store import Store

LONG_S = 90
CROP_PX = 64
LABELS = ("run", "walk", "wave")
SMALL = {
    "PFA_MAX_UPLOAD_BYTES": str(4 * 2**20),
    "PFA_MAX_IMAGE_BYTES": str(2**20),
    "PFA_MAX_IMAGE_PIXELS": "4000000",
    "PFA_MAX_CLIP_FRAMES": "60",
    "PFA_MIN_FREE_BYTES": "0",
    "PFA_MAX_MODELS": "3",
    "PFA_NUMERICS": "float32",
    "PFA_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service in a process of its own; the test sees its store through the same data folder."""

    url: str
    key: str
    store: Store
    pid: int

    def client(self, key: str | None = None) -> Client:
        return Client(self.url, key or self.key, timeout_s=LONG_S)

    def http(self, key: str | None = "") -> httpx.Client:
        """Raw HTTP: with the admin key, another key, or (None) none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=LONG_S)

    def publish(
        self,
        name: str,
        kind: ModelKind,
        *,
        seed: int = 0,
        norm: Norm = "batch",
        visible_from: Sequence[float] | None = None,
        two_stream: bool = False,
    ) -> ModelVersion:
        """Publish a tiny model with random weights as the next version of `name`."""
        settings: dict[str, object] = {"short_side_px": CROP_PX, "test_frames": 3} if kind == "action" else {}
        if visible_from is not None:
            settings["visible_from"] = list(visible_from)
        if two_stream:
            pack = PackConfig(short_side_px=CROP_PX, backend="dis", tvl1=flow.fast())
            settings["motion"] = asdict(MotionConfig(pack=pack, gap_frames=5, test_blocks=2))
        config = ModelConfig(
            kind=kind,
            net=NetConfig(width=1 / 32, crop_px=CROP_PX, norm=norm),
            joints=FLIC if kind == "pose" else None,
            labels=LABELS if kind == "action" else (),
            flow_maps=10 if two_stream else 24,
            two_stream=two_stream,
            settings=settings,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = build(config)
        folder = self.store.files.root / "tmp" / f"{name}-{seed}"
        manifest = save_model(folder, module, config=config, lineage=Lineage(seed=seed), metrics={"loss": 0.5})
        return self.store.models.publish(folder, name, None, manifest=manifest)


def environment_for(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment of a service on a free port of 127.0.0.1, with small limits."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PFA_")}
    own = {"PFA_DATA_DIR": str(data_dir), "PFA_HOST": "127.0.0.1", "PFA_PORT": "0"}
    return {**kept, **SMALL, **own, **settings}


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Service]:
    """Start `python -m api.serve` on a free port of 127.0.0.1 and stop it again."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api.serve"],
        env=environment_for(data_dir, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = Output(process)
    try:
        url = output.wait_for(r"running on (http://\S+)")
        key = (data_dir / "admin.key").read_text().strip() if (data_dir / "admin.key").exists() else ""
        store = Store.open(Settings(data_dir=data_dir, min_free_bytes=0))
        try:
            yield Service(url, key, store, process.pid)
        finally:
            store.close()
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            output.close()


@dataclass(slots=True)
class Output:
    """What a process prints, read by a thread so that the process never blocks."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def wait_for(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self._found(pattern) is not None, LONG_S)
            found = self._found(pattern)
        assert found is not None, "".join(self.lines)
        return found

    def close(self) -> None:
        self.thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        stdout: Iterable[str] = self.process.stdout or ()
        for line in stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _found(self, pattern: str) -> str | None:
        return next((match[1] for line in self.lines if (match := re.search(pattern, line))), None)
