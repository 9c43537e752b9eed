"""The jobs of a round: tiny, over HTTP, repeated until the service has said that it accepts them."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx

from tests.chaos.stack import Stack
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

T = TypeVar("T")

NET = {"width": 1 / 32, "crop_px": 64}
LEARN = {"batch_size": 2, "steps": 300, "validate_every_steps": 100, "checkpoint_every_steps": 20}
PRETRAIN = {
    "net": NET,
    "pack": {"short_side_px": 64, "backend": "dis"},
    "gap_frames": 2,
    "val_triplets": 2,
    "devices": 1,
    "learn": LEARN,
}
FINETUNE = {"net": NET, "short_side_px": 64, "test_frames": 2, "learn": {**LEARN, "batch_size": 4, "steps": 200}}
FLOW = {"short_side_px": 96}
LONG_CLIP_FRAMES = 250
SEED = 3
"""Of all training: what it leaves is compared with what an undisturbed service leaves."""

Trained = Literal["pretrain", "finetune"]
Ending = Literal["succeeded", "cancelled"]


@dataclass(slots=True)
class Wanted:
    """A job that the service has accepted, and how it may end."""

    id: str
    kind: str
    endings: set[Ending] = field(default_factory=lambda: {"succeeded"})
    pairs: int = 0
    """Of a flow job: the pairs of frames of its video."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a training job leaves: its curve, and the digest of its weights."""

    curve: tuple[Mapping[str, float], ...]
    weights_sha256: str


class Customer:
    """Uploads videos and asks for jobs, and remembers all that was accepted."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._clips: list[str] = []
        self.uploads: dict[str, str] = {}
        """Video id -> sha256, of every upload that was answered with 201."""
        self.jobs: list[Wanted] = []

    def bring_clips(self) -> None:
        """What is trained on: two clips without labels, and a data set of four with."""
        self._clips = [self.upload(moving_clip(num_frames=8, seed=seed)) for seed in (1, 2)]
        files: list[tuple[str, Any]] = [
            ("files", (f"{seed}.mp4", moving_clip(num_frames=8, seed=seed))) for seed in range(4)
        ]
        rows = [f"{seed}.mp4,{seed % 2},{'train' if seed < 2 else 'val'}" for seed in range(4)]
        labels = "\n".join(["file,label,split", *rows]).encode()
        answer = self._stack.http.post(
            "/datasets", files=[*files, ("annotations", ("labels.csv", labels))], data={"name": "clips"}
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text

    def upload(self, clip: bytes) -> str:
        """Keep a video; its id."""

        def post() -> str | None:
            answer = self._try("/videos", files={"files": ("clip.mp4", clip)})
            return None if answer is None else str(answer["videos"][0]["id"])

        video = wait_for(post, timeout_s=120, what="an upload")
        self.uploads[video] = hashlib.sha256(clip).hexdigest()
        return video

    def train(self, kind: Trained) -> Wanted:
        """A training job."""
        spec: dict[str, Any] = {"name": f"{kind}ed", "seed": SEED}
        if kind == "pretrain":
            return self._post(kind, {**spec, "videos": self._clips, "config": PRETRAIN})
        return self._post(kind, {**spec, "task": "action", "dataset": "clips", "config": FINETUNE})

    def flow(self, seed: int) -> Wanted:
        """A flow job on a video of its own, which takes seconds."""
        video = self.upload(moving_clip(num_frames=LONG_CLIP_FRAMES, seed=seed))
        wanted = self._post("flow", {"videos": [video], "config": FLOW})
        wanted.pairs = LONG_CLIP_FRAMES - 1
        return wanted

    def ask(self, wanted: Wanted, wish: str) -> str | None:
        """POST /jobs/{id}/`wish`; the status that it gives, or None where the job's state does not allow it."""

        def post() -> tuple[str | None] | None:
            answer = self._try(f"/jobs/{wanted.id}/{wish}", refused=True)
            return None if answer is None else (answer.get("status") if "id" in answer else None,)

        return wait_for(post, timeout_s=120, what=f"the answer to {wish}")[0]

    def trace(self, wanted: Wanted) -> Trace:
        """Of a training job that has succeeded."""
        http = self._stack.http
        curve = http.get(f"/jobs/{wanted.id}/metrics").json()
        name, _, version = http.get(f"/jobs/{wanted.id}").json()["result"]["model"].partition("@")
        weights = http.get(f"/models/{name}/versions/{version}/files/model.safetensors")
        assert weights.status_code == httpx.codes.OK, weights.text
        return Trace(tuple(curve), hashlib.sha256(weights.content).hexdigest())

    def _post(self, kind: str, spec: Mapping[str, Any]) -> Wanted:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        content = json.dumps(spec).encode()

        def post() -> str | None:
            answer = self._try(
                f"/jobs/{kind}", content=content, headers={**headers, "Content-Type": "application/json"}
            )
            return None if answer is None else str(answer["id"])

        wanted = Wanted(wait_for(post, timeout_s=120, what=f"the acceptance of a {kind} job"), kind)
        self.jobs.append(wanted)
        return wanted

    def _try(self, path: str, *, refused: bool = False, **request: Any) -> dict[str, Any] | None:
        """One POST; None where it is worth another try: nobody answered, or the answer was to come again.

        `refused`: 409 is an answer too.
        """
        try:
            answer = self._stack.http.post(path, **request)
        except httpx.TransportError:
            return None
        if answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.INSUFFICIENT_STORAGE):
            return None
        fine = answer.is_success or (refused and answer.status_code == httpx.codes.CONFLICT)
        assert fine, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())


def patiently(get: Callable[[], T]) -> T:
    """A call that looks something up, repeated while nobody answers."""

    def attempt() -> tuple[T] | None:
        try:
            return (get(),)
        except httpx.TransportError:
            return None

    return wait_for(attempt, timeout_s=60, what="an answer")[0]
