"""Predictions: from the bytes of an image or the file of a clip to an answer.

Axes: N rows, T frames.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from starlette.concurrency import run_in_threadpool
from torch import Tensor

from api.inference.batcher import Batched, Batcher, Forward, queue_full
from api.inference.host import Host
from api.inference.loading import Loading, Predictor, bytes_on_disk
from api.inference.outcomes import (
    ActionAnswer,
    Asked,
    FeatureAnswer,
    PoseAnswer,
    Timing,
    Version,
)
from api.inference.people import finished_poses
from api.inference.pictures import (
    ImageOf,
    PreparedPeople,
    ReadFile,
    clip_sample,
    image_sample,
    prepared_image,
    prepared_people,
)
from api.inference.retrieval import Retrieval
from api.metrics import Metrics
from api.recall import Recall
from api.uses import need_kind
from pfa_core.clip_sample import ClipSample
from pfa_core.config.video_answers import Protocol
from pfa_core.errors import InputError
from pfa_core.figures import filters_png
from pfa_core.models import load_model
from pfa_core.people import Box
from pfa_core.predict import ActionPredictor, FeatureExtractor, PosePredictor
from pfa_core.predict_action import Stream
from pfa_store.errors import ModelNotFound
from pfa_store.models import ModelVersion
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.traces import Traces

T = TypeVar("T")

CLIPS_AT_ONCE = 2
FOLLOW_EVERY_S = 1.0
logger = logging.getLogger(__name__)


class Inference:
    """The loaded models, the batcher and the threads that decode. Its methods run in the event loop."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics, recall: Recall, traces: Traces) -> None:
        self._settings = settings
        self._store = store
        self._recall = recall
        self._traces = traces
        self._threads = settings.api_threads
        self._host: Host[Asked, Version, Predictor] = Host(
            resolve=self._resolve,
            load=Loading(settings).load,
            limit=settings.max_models,
            max_bytes=settings.model_bytes,
            expect_bytes=bytes_on_disk,
            pinned=self._pinned,
            on_change=metrics.count_models,
            on_load=metrics.count_load,
        )
        self.retrieval = Retrieval(store, settings, features=self.features, threads=self._threads)
        self._batcher = Batcher(
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            on_start=partial(torch.set_num_threads, self._threads),
            on_batch=metrics.passed,
            on_queue=metrics.queue_rows.set,
        )
        share = max(1, (os.cpu_count() or 1) // settings.api_processes)
        self._image_threads = ThreadPoolExecutor(share, thread_name_prefix="image-decoder")
        self._clip_threads = ThreadPoolExecutor(CLIPS_AT_ONCE, thread_name_prefix="clip-decoder")
        self._num_inside = 0
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Finish what runs, refuse what waits, end the threads."""
        self._following.cancel()
        await self._host.close()
        self.retrieval.close()
        await run_in_threadpool(self._batcher.close)
        for pool in (self._image_threads, self._clip_threads):
            pool.shutdown(wait=False, cancel_futures=True)

    def need_room(self) -> None:
        """Refuse before a body is read where its prediction would be refused anyway.

        Raises:
            QueueFull: as many predictions are under way as may be.
        """
        if self._num_inside >= self._settings.max_queue + self._settings.max_batch:
            raise queue_full(self._batcher.retry_after_s)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among the predictions that are under way. Raises: QueueFull."""
        self.need_room()
        self._num_inside += 1
        try:
            yield
        finally:
            self._num_inside -= 1

    async def poses(self, asked: Sequence[ImageOf], *, ref: str) -> list[PoseAnswer | InputError]:
        """The poses of the people in images, or why an image cannot be used; all crops go through the network together.

        Raises:
            ModelNotFound, ModelUnsuitable, ModelDamaged: from the model.
            QueueFull: too much waits already.
        """
        version, predictor = await self._host.get(Asked("pose", ref))
        assert isinstance(predictor, PosePredictor)
        timing = Timing()
        works = [partial(prepared_people, predictor, one, settings=self._settings) for one in asked]
        decoded = [self._decoded(self._image_threads, work, timing) for work in works]
        looked = await asyncio.gather(*decoded, return_exceptions=True)
        crops = [crop.rows_u8 for one in looked if isinstance(one, PreparedPeople) for _, _, crop in one.people]
        rows = await self._rows(predictor.forward, torch.cat(crops), timing) if crops else None
        return finished_poses(predictor, asked, looked, rows, model=version.ref, timing=timing)

    async def image_action(self, read: ReadFile, *, ref: str, protocol: Protocol) -> ActionAnswer:
        """The action in an image. Raises: as `poses`; InputError: from the image."""
        timing = Timing()
        version, predictor = await self._action_model(ref, protocol)
        work = partial(image_sample, predictor, read, settings=self._settings)
        sample = await self._decoded(self._image_threads, work, timing)
        return await self._action(version, predictor, sample, timing)

    async def clip_action(self, content: Path | bytes, *, name: str, ref: str, protocol: Protocol) -> ActionAnswer:
        """The action in a video, which only the sandbox opens.

        Raises:
            VideoTooLarge: over the limits for an answer at once; as `image_action` otherwise.
        """
        timing = Timing()
        version, predictor = await self._action_model(ref, protocol)
        scratch = self._store.files.root / "tmp"
        work = partial(clip_sample, predictor, content, name=name, settings=self._settings, scratch=scratch)
        sample = await self._decoded(self._clip_threads, work, timing)
        return await self._action(version, predictor, sample, timing)

    async def features(self, read: ReadFile, *, ref: str, box: Box | None = None) -> FeatureAnswer:
        """The fc6 feature of an image, or of a box of it. Raises: as `image_action`."""
        timing = Timing()
        version, predictor = await self._host.get(Asked("features", ref))
        assert isinstance(predictor, FeatureExtractor)
        work = partial(prepared_image, predictor, read, box=box, settings=self._settings)
        _, prepared = await self._decoded(self._image_threads, work, timing)
        rows = await self._rows(predictor.forward, prepared.rows_u8, timing)
        return FeatureAnswer(model=version.ref, feature=predictor.finish(rows, prepared.place), timing=timing)

    async def rows(self, asked: Asked, rows: Tensor) -> tuple[Predictor, Tensor]:
        """What a network says about crops (N, 3, S, S) of its size; an action model about each and its mirror.

        Raises: as `pose`.
        """
        _, predictor = await self._host.get(asked)
        forward = predictor.look if isinstance(predictor, ActionPredictor) else predictor.forward
        return predictor, await self._rows(forward, rows, Timing())

    def filters_png(self, model: ModelVersion) -> bytes:
        """The filters of conv1, drawn. Call from a thread."""
        module, _ = load_model(self._store.models.folder(model))
        return filters_png(module)

    async def _action_model(self, ref: str, protocol: Protocol) -> tuple[Version, ActionPredictor]:
        version, predictor = await self._host.get(Asked("action", ref))
        assert isinstance(predictor, ActionPredictor)
        return version, predictor.by(protocol)

    async def _action(
        self, version: Version, predictor: ActionPredictor, sample: ClipSample, timing: Timing
    ) -> ActionAnswer:
        """A row is a frame, or a block of flow, in all its crops, so fewer of them make a batch."""
        at_once = max(1, self._settings.max_batch // predictor.crops)
        scores: dict[Stream, Tensor] = {}
        for stream, rows in predictor.rows_of(sample).items():
            look = predictor.look if stream == "appearance" else predictor.look_at_motion
            scores[stream] = await self._rows(look, rows, timing, at_once=at_once)
        prediction = predictor.finish(scores)
        return ActionAnswer(model=version.ref, num_frames=len(sample.frames_u8), prediction=prediction, timing=timing)

    async def _decoded(self, pool: ThreadPoolExecutor, work: Callable[[], T], timing: Timing) -> T:
        loop = asyncio.get_running_loop()
        began_s, began_ns = loop.time(), time.time_ns()
        try:
            return await loop.run_in_executor(pool, work)
        finally:
            decode_s = loop.time() - began_s
            timing.decode_s += decode_s
            self._traces.record("decode", start_ns=began_ns, duration_s=decode_s)

    async def _rows(self, forward: Forward, rows: Tensor, timing: Timing, *, at_once: int | None = None) -> Tensor:
        """Run rows through the network; a clip's many rows go batch by batch, so that others get their turn."""
        answers = []
        at_once = at_once or self._settings.max_batch
        for part in (rows,) if len(rows) <= at_once else rows.split(at_once):
            began_ns = time.time_ns()
            batched = await asyncio.wrap_future(self._batcher.submit(forward, part))
            assert isinstance(batched.raw, Tensor)
            self._trace(batched, began_ns, rows=len(part))
            timing.queue_s += batched.queue_s
            timing.model_s += batched.forward_s
            answers.append(batched.raw)
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    def _trace(self, batched: Batched, began_ns: int, *, rows: int) -> None:
        """The wait for a forward pass, and the pass, which has rows of neighbours too."""
        self._traces.record("queue", start_ns=began_ns, duration_s=batched.queue_s, rows=rows)
        passed_ns = began_ns + int(batched.queue_s * 1e9)
        self._traces.record(
            "forward", start_ns=passed_ns, duration_s=batched.forward_s, rows=rows, batch_rows=batched.batch_rows
        )

    async def _resolve(self, asked: Asked) -> Version:
        return await self._recall.of(asked, partial(self._resolve_now, asked))

    def _resolve_now(self, asked: Asked) -> Version:
        model = self._store.models.resolve(asked.ref)
        need_kind(model, asked.use)
        return Version(asked.use, model.ref, self._store.models.folder(model))

    async def _pinned(self, versions: Collection[Version]) -> Collection[Version]:
        """Those that an alias names."""
        return await run_in_threadpool(lambda: [version for version in versions if self._is_named(version)])

    def _is_named(self, version: Version) -> bool:
        try:
            return bool(self._store.models.resolve(version.ref).aliases)
        except ModelNotFound:  # deleted since
            return False

    async def _follow(self) -> None:
        """Notice what other processes change of aliases, also while nobody asks."""
        while True:
            await asyncio.sleep(FOLLOW_EVERY_S)
            try:
                await self._host.follow()
            except Exception:  # whatever it is, requests are answered and the next look may go well
                logger.exception("aliases were not looked at")
