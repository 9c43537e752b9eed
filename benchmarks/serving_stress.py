"""What the service does in bad moments: `python -m benchmarks.serving_stress --work /some/folder swap overload soak`.

swap      16 clients ask for `small@production` while its alias moves to and fro `--swaps` times: no request may fail;
          each switch is timed from the PUT to the first answer of the new version.
overload  places for 8 predictions in each process, and 4 times as many clients as there are places: a refusal has to
          be a 503 with Retry-After, every connection is kept, memory stays bounded, and a request afterwards succeeds.
soak      16 clients for `--soak-seconds`: resident memory is read every second; its growth after the first tenth is
          told, and the slope of a line through it.

Each starts a real `pfa api` with keys on. Writes stress.json and stress.md to `--work`, and ends with status 1 where
something failed. Takes `--seconds` for each of the first two and the soak's time.
"""

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.machine import describe
from benchmarks.serving_stack import Running, Stack, pfa

MODEL = "small"
PLACES = 8
"""Of each process in overload: a batch and as many that wait."""
MAX_SLOPE = 2 * 2**20
"""Growth in a soak that counts as flat, bytes a minute."""


def swap(stack: Stack, options: argparse.Namespace) -> dict[str, Any]:
    """Move an alias to and fro under load."""
    with pfa(stack, f"{MODEL}@1", options.numerics) as warm:
        _move(stack, warm, 1)
        running = Running(
            url=warm.url.replace(f"{MODEL}@1", f"{MODEL}@production"),
            field="file",
            key_file=warm.key_file,
            pid=warm.pid,
        )
        found: list[dict[str, Any]] = []
        seconds = options.seconds
        load = threading.Thread(target=lambda: found.append(running.load(stack, clients=16, seconds=seconds)))
        load.start()
        switches_s = []
        for number in range(options.swaps):
            time.sleep(seconds / (options.swaps + 1))
            version = 2 - number % 2
            began_s = time.monotonic()
            _move(stack, running, version)
            while _ask(stack, running).json()["model"] != f"{MODEL}@{version}":
                time.sleep(0.01)
            switches_s.append(time.monotonic() - began_s)
        load.join()
    failed = _failed(found[0])
    return {**found[0], "failed": failed, "switch_s": [round(each, 2) for each in switches_s], "passed": failed == 0}


def overload(stack: Stack, options: argparse.Namespace) -> dict[str, Any]:
    """Ask four times as often at once as there are places."""
    settings = {"PFA_MAX_BATCH": str(PLACES // 2), "PFA_MAX_QUEUE": str(PLACES // 2)}
    with pfa(stack, MODEL, options.numerics, settings=settings) as running:
        running.load(stack, clients=4, seconds=3)
        before = running.rss_bytes()
        clients = 4 * PLACES * stack.threads
        found = running.load(stack, clients=clients, seconds=options.seconds)
        after = running.rss_bytes()
        still = _ask(stack, running).status_code
    other = {status: count for status, count in found["statuses"].items() if status not in ("200", "503")}
    passed = not other and not found["broken"] and not found["bare_refusals"] and still == 200
    refused = found["statuses"].get("503", 0)
    return {**found, "refused": refused, "rss_before": before, "rss_after": after, "passed": passed and refused > 0}


def soak(stack: Stack, options: argparse.Namespace) -> dict[str, Any]:
    """Ask for a long time."""
    with pfa(stack, MODEL, options.numerics) as running:
        found: list[dict[str, Any]] = []
        seconds = options.soak_seconds
        load = threading.Thread(target=lambda: found.append(running.load(stack, clients=16, seconds=seconds)))
        load.start()
        began_s, samples = time.monotonic(), []
        while load.is_alive():
            samples.append((time.monotonic() - began_s, running.rss_bytes()))
            load.join(1.0)
    kept = np.array([sample for sample in samples if 0.1 * seconds < sample[0] < seconds], dtype=np.float64)
    slope = float(np.polyfit(kept[:, 0] / 60, kept[:, 1], 1)[0]) if len(kept) > 2 else float("nan")
    first, last = int(kept[0, 1]), int(kept[-1, 1])
    failed = _failed(found[0])
    return {
        **found[0],
        "failed": failed,
        "rss_mib": [round(rss / 2**20) for _, rss in samples[:: max(1, len(samples) // 20)]],
        "rss_first": first,
        "rss_last": last,
        "rss_slope_bytes_per_minute": slope,
        "passed": failed == 0 and slope < MAX_SLOPE,
    }


def _failed(found: dict[str, Any]) -> int:
    return int(found["broken"]) + sum(count for status, count in found["statuses"].items() if status != "200")


def _ask(stack: Stack, running: Running) -> httpx.Response:
    image = next((stack.work / "images").iterdir()).read_bytes()
    return httpx.post(running.url, files={"file": image}, headers=_headers(stack), timeout=60)


def _move(stack: Stack, running: Running, version: int) -> None:
    url = httpx.URL(running.url).copy_with(path=f"/models/{MODEL}/aliases/production", query=None)
    httpx.put(url, json={"version": version}, headers=_headers(stack), timeout=60).raise_for_status()


def _headers(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.key_file.read_text().strip()}"}


SCENES = {"swap": swap, "overload": overload, "soak": soak}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("scenes", nargs="+", choices=list(SCENES))
    parser.add_argument("--work", type=Path, required=True, help="folder for models, images, logs and results")
    parser.add_argument("--images", type=Path, default=data / "pose_images", help="folder with .jpg files")
    parser.add_argument("--numerics", default="float32", help="PFA_NUMERICS")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="and processes")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--swaps", type=int, default=6)
    parser.add_argument("--soak-seconds", type=float, default=600)
    parser.add_argument("--set", action="append", default=[], metavar="PFA_NAME=VALUE", help="settings of `pfa api`")
    options = parser.parse_args()
    work = options.work.resolve()
    settings = dict(setting.split("=", 1) for setting in options.set)
    stack = Stack(work=work, peers=Path(sys.executable), threads=options.threads, max_batch=16, pfa_settings=settings)
    stack.prepare(options.images, num_images=32)
    results = {scene: SCENES[scene](stack, options) for scene in options.scenes}
    (work / "stress.json").write_text(json.dumps({"machine": describe(), "results": results}, indent=1))
    lines = [describe(), ""]
    for scene, result in results.items():
        lines += [f"**{scene}**: {'passed' if result['passed'] else 'FAILED'}", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in result.items() if name != "passed"] + [""]
    (work / "stress.md").write_text("\n".join(lines))
    print("\n".join(lines))
    return 0 if all(result["passed"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
