"""Nearest poses: from what is asked about to the items of a collection that are nearest to it.

Axes: D length of a feature.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from api.inference.galleries import Galleries
from api.inference.outcomes import FeatureAnswer, NeighbourAnswer, Timing
from api.inference.pictures import ReadFile, frame_png
from pfa_core.gallery_item import GalleryItem, ItemFilter
from pfa_core.people import Box
from pfa_core.retrieval import GalleryIndex, Neighbour
from pfa_core.video.limits import DecodeLimits
from pfa_store.collections import Collection
from pfa_store.settings import Settings
from pfa_store.store import Store

T = TypeVar("T")
AskFeature = Callable[..., Coroutine[Any, Any, FeatureAnswer]]
"""`Inference.features`."""


@dataclass(frozen=True, slots=True)
class OfImage:
    """The pose in an image, or in a box of it."""

    read: ReadFile
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class OfFrame:
    """The pose in a frame of a video, which only the sandbox opens."""

    video: Path
    frame: int
    short_side_px: int
    """As the frames of a collection are scaled."""
    limits: DecodeLimits
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class OfItem:
    """An item of the collection itself."""

    id: int


@dataclass(frozen=True, slots=True)
class OfFeature:
    """A feature, (D,)."""

    feature: NDArray[np.float32]


Query = OfImage | OfFrame | OfItem | OfFeature


class Retrieval:
    """The open galleries and the threads that search them. Its coroutines run in the event loop."""

    def __init__(self, store: Store, settings: Settings, *, features: AskFeature, threads: int) -> None:
        self._galleries = Galleries(store, limit=settings.max_models)
        self._features = features
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="search")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._galleries.close()

    async def nearest(self, query: Query, *, collection: Collection, k: int, among: ItemFilter) -> NeighbourAnswer:
        """The k items of a collection that are nearest to what is asked about, of those that the filter lets through.

        Raises:
            CollectionNotReady: it holds nothing.
            ItemNotFound: it has no such item.
            ModelUnsuitable: a feature of another length.
            IndexDamaged: it does not read; as `Inference.features` otherwise.
        """
        gallery = await self._in_thread(partial(self._galleries.of, collection))
        timing, model = Timing(), collection.model
        match query:
            case OfItem():
                feature = await self._in_thread(partial(gallery.feature, query.id))
            case OfFeature():
                feature = query.feature
            case OfImage() | OfFrame():
                asked = await self._features(self._reader(query), ref=collection.model, box=query.box)
                feature, timing, model = asked.feature, asked.timing, asked.model
        began_s = asyncio.get_running_loop().time()
        found = await self._in_thread(partial(_search, gallery, feature, k=k, among=among))
        timing.search_s = asyncio.get_running_loop().time() - began_s
        return NeighbourAnswer(collection=collection.name, model=model, found=found, timing=timing)

    async def page(
        self, collection: Collection, *, after: int, limit: int, among: ItemFilter
    ) -> list[tuple[int, GalleryItem]]:
        """Items by id, those above `after`. Raises: CollectionNotReady, IndexDamaged."""
        return await self._in_thread(lambda: self._galleries.of(collection).page(after=after, limit=limit, among=among))

    async def item(self, collection: Collection, item_id: int) -> GalleryItem:
        """Raises: ItemNotFound, CollectionNotReady, IndexDamaged."""
        return await self._in_thread(lambda: self._galleries.of(collection).item(item_id))

    async def thumbnail(self, collection: Collection, item_id: int) -> bytes | None:
        """A JPEG; None where the item has none. Raises: as `item`."""
        return await self._in_thread(lambda: self._galleries.of(collection).thumbnail(item_id))

    @staticmethod
    def _reader(query: OfImage | OfFrame) -> ReadFile:
        if isinstance(query, OfImage):
            return query.read
        side = query.short_side_px
        return partial(frame_png, query.video, query.frame, short_side_px=side, limits=query.limits)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _search(
    gallery: GalleryIndex, feature: NDArray[np.float32], *, k: int, among: ItemFilter
) -> list[tuple[Neighbour, bytes | None]]:
    (found,) = gallery.search(feature[None], k=k, among=among)
    return [(neighbour, gallery.thumbnail(neighbour.id)) for neighbour in found]
