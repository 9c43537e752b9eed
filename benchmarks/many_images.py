"""Many images in one call against as many calls: `python -m benchmarks.many_images`. Prints a Markdown table.

A service of its own with the pose net of the preset `small` and random weights; both ways take turns over HTTP on this
machine, one client. Read the processor time of the service's process: other programs take part of the wall time.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.machine import describe
from pfa_core.config import pose as presets
from pfa_core.images import write_jpeg
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_core.skeleton import FLIC
from pfa_store.settings import Settings
from pfa_store.store import Store

SIZE = (240, 320)


@contextmanager
def service(data_dir: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A running API with one pose model, and its process."""
    store = Store.open(Settings(data_dir=data_dir))
    config = ModelConfig(kind="pose", net=presets.small().net, joints=FLIC)
    folder = data_dir / "tmp" / "model"
    manifest = save_model(folder, build(config), config=config, lineage=Lineage(seed=0), metrics={})
    store.models.publish(folder, "small", None, manifest=manifest)
    store.close()
    environment = {**os.environ, "PFA_DATA_DIR": str(data_dir), "PFA_PORT": "0", "PFA_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "api.serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = next(found[1] for line in process.stdout if (found := re.search(r"running on (http://\S+)", line)))
        headers = {"X-API-Key": (data_dir / "admin.key").read_text().strip()}
        with httpx.Client(base_url=url, headers=headers, params={"model": "small"}, timeout=120) as http:
            yield http, process.pid
    finally:
        process.kill()
        process.wait()


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    images = [write_jpeg(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)) for _ in range(asked.images)]
    jpeg = {"Content-Type": "image/jpeg"}
    print(describe())
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as (http, pid):
        ways: dict[str, Callable[[], object]] = {
            "one by one": lambda: [
                http.post("/predict/pose", content=image, headers=jpeg).raise_for_status() for image in images
            ],
            "in one call": lambda: http.post(
                "/predict/pose", files=[("files", (f"{n}.jpg", image)) for n, image in enumerate(images)]
            ).raise_for_status(),
        }
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(asked.rounds + 1):
            for name, run in ways.items():
                cpu, wall = cpu_s(pid), time.perf_counter()
                run()
                if number:  # the first round warms up
                    spent[name].append((cpu_s(pid) - cpu, time.perf_counter() - wall))
    print(f"\n| {asked.images} images of {SIZE[1]} x {SIZE[0]} | s (CPU) | s |\n|---|---|---|")
    for name, figures in spent.items():
        cpu, wall = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")


if __name__ == "__main__":
    main()
