"""The model as the peers of `benchmarks.serving` run it, and bare: `python -m benchmarks.serving_model --folder ...`.

Peers decode, crop and read out with the same code as PFA does, so that only serving differs. Their network runs either
in PFA's own numerics, or `plain`: as PyTorch gives it, float32 and channels first.

Run as a program it calls the network alone in a loop, with nothing around it, then all that servers do alike (decoding,
cropping, the network, reading out), and prints one JSON object.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pfa_core.crops import PersonCrop
from pfa_core.images import read_image
from pfa_core.models import load_model
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.predict import Numerics, PosePredictor, Prepared

FOLDER_VARIABLE, NUMERICS_VARIABLE = "SERVING_FOLDER", "SERVING_NUMERICS"
WORKERS_VARIABLE, BATCH_VARIABLE, EXECUTOR_VARIABLE = "SERVING_WORKERS", "SERVING_MAX_BATCH", "SERVING_EXECUTOR"
MAX_BYTES, MAX_PIXELS = 64 * 2**20, 50_000_000


class PeerModel:
    """A pose model in one process, one thread."""

    def __init__(self, folder: Path, numerics: str, executor: str = "") -> None:
        torch.set_num_threads(1)
        self._plain = numerics == "plain"
        chosen: dict[str, Any] = {"executor": executor} if executor and not self._plain else {}
        number_format: Numerics = "bfloat16" if numerics == "bfloat16" else "float32"
        self._predictor = PosePredictor.load(folder, numerics=number_format, **chosen)
        self._module = load_model(folder)[0].eval() if self._plain else None

    @classmethod
    def of_environment(cls) -> "PeerModel":
        """The model that `benchmarks.serving` has named for this server."""
        folder, numerics = Path(os.environ[FOLDER_VARIABLE]), os.environ[NUMERICS_VARIABLE]
        return cls(folder, numerics, os.environ.get(EXECUTOR_VARIABLE, ""))

    def prepare(self, image: bytes) -> Prepared[PersonCrop]:
        """Decode an image and cut its crop."""
        return self._predictor.prepare(read_image(image, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES))

    def forward(self, rows: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> (N, K, h, w)."""
        if self._module is None:
            return self._predictor.forward(rows)
        with torch.inference_mode():
            return self._module(normalise_rgb(rows).contiguous())

    def answers(self, prepared: Sequence[Prepared[PersonCrop]]) -> list[dict[str, object]]:
        """One forward pass, and an answer like that of `/predict/pose` for each image."""
        rows = self.forward(torch.cat([each.rows_u8 for each in prepared]))
        return [self._answer(rows[i : i + 1], each.place) for i, each in enumerate(prepared)]

    def _answer(self, rows: Tensor, place: PersonCrop) -> dict[str, object]:
        found = self._predictor.finish(rows, place)
        keypoints = [
            {"joint": joint, "x_px": round(float(x), 3), "y_px": round(float(y), 3), "score": round(float(score), 5)}
            for joint, (x, y), score in zip(found.joints.names, found.keypoints_px, found.scores, strict=True)
        ]
        return {"model": "pose", "keypoints": keypoints}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="model folder")
    parser.add_argument("--numerics", default="float32", help="plain, float32 or bfloat16")
    parser.add_argument("--executor", default="", help="what runs the network, where there is a choice")
    parser.add_argument("--images", type=Path, required=True, help="folder of .jpg files")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    model = PeerModel(options.folder, options.numerics, options.executor)
    side = model._predictor.config.net.crop_px
    rows = torch.zeros((options.batch, 3, side, side), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    model.forward(rows)
    num_passes, began_s = 0, time.monotonic()
    while time.monotonic() < began_s + options.seconds:
        model.forward(rows)
        num_passes += 1
    pass_s = (time.monotonic() - began_s) / num_passes
    found = {"batch": options.batch, "pass_ms": 1000 * pass_s, "rows_per_s": options.batch / pass_s}
    images = [path.read_bytes() for path in sorted(options.images.glob("*.jpg"))]
    print(json.dumps({**found, "shared_ms": 1000 * shared_s(model, images, options.batch, options.seconds)}))


def shared_s(model: PeerModel, images: Sequence[bytes], batch: int, seconds: float) -> float:
    """Processor time that an image takes in every server, at least."""
    num_images, began_s, busy_s = 0, time.monotonic(), time.process_time()
    while time.monotonic() < began_s + seconds:
        model.answers([model.prepare(images[(num_images + i) % len(images)]) for i in range(batch)])
        num_images += batch
    return (time.process_time() - busy_s) / num_images


if __name__ == "__main__":
    main()
