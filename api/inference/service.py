"""Predictions: from the bytes of an image or the file of a clip to an answer.

Axes: N rows, T frames.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from torch import Tensor

from api.admission import Use, need_kind
from api.inference.batcher import Batcher, queue_full
from api.inference.host import Host
from api.metrics import Metrics
from pfa_core.clips import LabelledClip, read_clip
from pfa_core.devices import computes_bf16, device_of
from pfa_core.images import read_image
from pfa_core.people import Box
from pfa_core.predict import (
    ActionPrediction,
    ActionPredictor,
    FeatureExtractor,
    Numerics,
    PosePrediction,
    PosePredictor,
)
from pfa_core.video.limits import DecodeLimits
from pfa_store.settings import Settings
from pfa_store.store import Store

T = TypeVar("T")
Image = NDArray[np.uint8]
Predictor = PosePredictor | ActionPredictor | FeatureExtractor

CLIP_TIMEOUT_S = 60.0
"""Decoding a clip may not keep its sender waiting for longer."""
CLIPS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A model as a request names it."""

    use: Use
    ref: str


@dataclass(frozen=True, slots=True)
class Version:
    """What that means now."""

    use: Use
    ref: str
    """`name@version`."""
    folder: Path


@dataclass(slots=True)
class Timing:
    """Where the time of a request went, s."""

    decode_s: float = 0.0
    queue_s: float = 0.0
    model_s: float = 0.0

    def header(self) -> str:
        """As the Server-Timing header has it, ms."""
        parts = {"decode": self.decode_s, "queue": self.queue_s, "model": self.model_s}
        return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in parts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseAnswer:
    """The pose in an image, with the image itself for those who draw it."""

    model: str
    image: Image
    box: Box | None
    prediction: PosePrediction
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAnswer:
    model: str
    num_frames: int
    prediction: ActionPrediction
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureAnswer:
    model: str
    feature: NDArray[np.float32]
    """(D,)."""
    timing: Timing = field(default_factory=Timing)


class Inference:
    """The loaded models, the batcher and the threads that decode. Its methods run in the event loop."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._threads = settings.num_threads or os.cpu_count() or 1
        self._numerics = numerics_of(settings)
        self._host: Host[Asked, Version, Predictor] = Host(
            resolve=self._resolve, load=self._load, limit=settings.max_models
        )
        self._batcher = Batcher(
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            on_start=partial(torch.set_num_threads, self._threads),
            on_batch=metrics.batch_rows.observe,
        )
        self._image_threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="image-decoder")
        self._clip_threads = ThreadPoolExecutor(CLIPS_AT_ONCE, thread_name_prefix="clip-decoder")
        self._num_inside = 0
        metrics.watch(queue_rows=lambda: self._batcher.waiting, models_loaded=lambda: len(self._host))

    async def close(self) -> None:
        """Finish what runs, refuse what waits, end the threads."""
        await self._host.close()
        await run_in_threadpool(self._batcher.close)
        for pool in (self._image_threads, self._clip_threads):
            pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among the requests that are being answered, from before their body is read.

        Raises:
            QueueFull: as many requests are inside as may wait.
        """
        if self._num_inside >= self._settings.max_queue + self._settings.max_batch:
            raise queue_full()
        self._num_inside += 1
        try:
            yield
        finally:
            self._num_inside -= 1

    async def pose(self, data: bytes, *, ref: str, box: Box | None) -> PoseAnswer:
        """The pose of the person in an image, or in a box of it.

        Raises:
            ModelNotFound, ModelUnsuitable, ModelDamaged: from the model.
            InputError: from the image or the box.
            QueueFull: too much waits already.
        """
        timing = Timing()
        version, predictor = await self._host.get(Asked("pose", ref))
        assert isinstance(predictor, PosePredictor)
        image = await self._image(data, timing)
        prepared = await self._decoded(self._image_threads, partial(predictor.prepare, image, box=box), timing)
        rows = await self._rows(predictor, prepared.rows_u8, timing)
        prediction = predictor.finish(rows, prepared.place)
        return PoseAnswer(model=version.ref, image=image, box=box, prediction=prediction, timing=timing)

    async def image_action(self, data: bytes, *, ref: str) -> ActionAnswer:
        """The action in an image. Raises: as `pose`."""
        timing = Timing()
        version, predictor = await self._action_model(ref)
        image = await self._image(data, timing)
        return await self._action(version, predictor, image[None], timing)

    async def clip_action(self, path: Path, *, name: str, ref: str) -> ActionAnswer:
        """The action in a video file, which only the sandbox opens.

        Raises:
            VideoTooLarge: over the limits for an answer at once; as `pose` otherwise.
        """
        timing = Timing()
        version, predictor = await self._action_model(ref)
        read = partial(
            read_clip,
            LabelledClip(name=name, label="", path=path),
            short_side_px=predictor.settings.short_side_px,
            max_frames=predictor.settings.test_frames,
            limits=clip_limits(self._settings),
        )
        clip = await self._decoded(self._clip_threads, read, timing)
        return await self._action(version, predictor, clip.frames_u8, timing)

    async def features(self, data: bytes, *, ref: str, box: Box | None = None) -> FeatureAnswer:
        """The fc6 feature of an image, or of a box of it. Raises: as `pose`."""
        timing = Timing()
        version, predictor = await self._host.get(Asked("features", ref))
        assert isinstance(predictor, FeatureExtractor)
        image = await self._image(data, timing)
        prepared = await self._decoded(self._image_threads, partial(predictor.prepare, image, box=box), timing)
        rows = await self._rows(predictor, prepared.rows_u8, timing)
        return FeatureAnswer(model=version.ref, feature=predictor.finish(rows, prepared.place), timing=timing)

    async def _action_model(self, ref: str) -> tuple[Version, ActionPredictor]:
        version, predictor = await self._host.get(Asked("action", ref))
        assert isinstance(predictor, ActionPredictor)
        return version, predictor

    async def _action(
        self, version: Version, predictor: ActionPredictor, frames: Image, timing: Timing
    ) -> ActionAnswer:
        prepared = await self._decoded(self._image_threads, partial(predictor.prepare, frames), timing)
        rows = await self._rows(predictor, prepared.rows_u8, timing)
        prediction = predictor.finish(rows)
        return ActionAnswer(model=version.ref, num_frames=len(frames), prediction=prediction, timing=timing)

    async def _image(self, data: bytes, timing: Timing) -> Image:
        settings = self._settings
        read = partial(read_image, data, max_pixels=settings.max_image_pixels, max_bytes=settings.max_image_bytes)
        return await self._decoded(self._image_threads, read, timing)

    async def _decoded(self, pool: ThreadPoolExecutor, work: Callable[[], T], timing: Timing) -> T:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            return await loop.run_in_executor(pool, work)
        finally:
            timing.decode_s += loop.time() - began_s

    async def _rows(self, predictor: Predictor, rows_u8: Tensor, timing: Timing) -> Tensor:
        """Run rows through the network; a clip's many rows go batch by batch, so that others get their turn."""
        answers = []
        for part in rows_u8.split(self._settings.max_batch):
            batched = await asyncio.wrap_future(self._batcher.submit(predictor.forward, part))
            assert isinstance(batched.raw, Tensor)
            timing.queue_s += batched.queue_s
            timing.model_s += batched.forward_s
            answers.append(batched.raw)
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    async def _resolve(self, asked: Asked) -> Version:
        return await run_in_threadpool(self._resolve_now, asked)

    def _resolve_now(self, asked: Asked) -> Version:
        model = self._store.models.resolve(asked.ref)
        need_kind(model, asked.use)
        return Version(asked.use, model.ref, self._store.models.folder(model))

    def _load(self, version: Version) -> Predictor:
        """Load and warm up, in the host's thread."""
        torch.set_num_threads(self._threads)
        predictor = _PREDICTORS[version.use].load(version.folder, numerics=self._numerics)
        side = predictor.config.net.crop_px
        predictor.forward(torch.zeros((1, 3, side, side), dtype=torch.uint8))
        return predictor


_PREDICTORS: dict[Use, type[Predictor]] = {
    "pose": PosePredictor,
    "action": ActionPredictor,
    "features": FeatureExtractor,
}


def numerics_of(settings: Settings) -> Numerics:
    """The number format to predict in."""
    if settings.numerics != "auto":
        return settings.numerics
    return "bfloat16" if computes_bf16(device_of()) else "float32"


def clip_limits(settings: Settings) -> DecodeLimits:
    """The caps on a clip that is answered at once."""
    return DecodeLimits(
        max_bytes=settings.max_video_bytes,
        max_pixels=settings.max_video_pixels,
        max_frames=settings.max_clip_frames,
        max_duration_s=settings.max_video_s,
        timeout_s=min(settings.decode_timeout_s, CLIP_TIMEOUT_S),
        memory_bytes=settings.decode_memory_bytes,
    )
