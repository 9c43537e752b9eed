"""The client needs httpx and nothing else: here everything else that it might reach for cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BLOCKED = ("numpy", "torch", "rich", "pydantic", "pfa_core", "pfa_store", "api", "workers", "pfa", "cv2")

PROGRAM = f"""
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError(f"{{name}} is not installed")
sys.meta_path.insert(0, Nothing())
sys.path.insert(0, {str(ROOT / "client")!r})

import asyncio, json, pkgutil, importlib
import httpx
import pfa_client
for module in pkgutil.iter_modules(pfa_client.__path__):
    importlib.import_module("pfa_client." + module.name)

JOB = {{"id": "job_1", "kind": "flow", "status": "running", "done": False, "phase": "flow", "attempt": 1,
       "progress": {{"step": 1, "total": 4}}, "created": ""}}
answers = [JOB, {{**JOB, "status": "succeeded", "done": True}}] * 2
pfa = pfa_client.Client("http://test", transport=httpx.MockTransport(
    lambda request: httpx.Response(200, json=answers.pop(0))), sleep=lambda _: None)
print(pfa.wait("job_1", progress=True).status)

async def main():
    async with pfa_client.AsyncClient("http://test", transport=httpx.MockTransport(
            lambda request: httpx.Response(200, json=answers.pop(0))), sleep=lambda _: asyncio.sleep(0)) as pfa:
        print((await pfa.wait("job_1", progress=True)).status)
asyncio.run(main())
try:
    pfa.predict_pose_arrays(b"", model="m")
except pfa_client.NumpyMissing as error:
    print(error)
"""


def test_it_works_with_httpx_alone() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second, refusal = done.stdout.splitlines()
    assert (first, second) == ("succeeded", "succeeded")
    assert "pip install numpy" in refusal
    assert "job_1 flow 1/4" in done.stderr, "the bar is plain text on stderr"
    assert "job_1 succeeded" in done.stderr
