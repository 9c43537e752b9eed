"""The model of `benchmarks.serving` behind BentoML, as its documentation says. Runs in the environment of the peers."""

import os
from pathlib import Path

import bentoml

from benchmarks.serving_model import BATCH_VARIABLE, WORKERS_VARIABLE, PeerModel


@bentoml.service(
    workers=int(os.environ[WORKERS_VARIABLE]), traffic={"timeout": 120}, logging={"access": {"enabled": False}}
)
class Pose:
    def __init__(self) -> None:
        self.model = PeerModel.of_environment()

    @bentoml.api(  # type: ignore[untyped-decorator]  # not installed where types are checked
        batchable=True, max_batch_size=int(os.environ[BATCH_VARIABLE]), max_latency_ms=120_000
    )
    def predict(self, file: list[Path]) -> list[dict]:  # type: ignore[type-arg]  # BentoML reads this annotation
        return self.model.answers([self.model.prepare(path.read_bytes()) for path in file])
