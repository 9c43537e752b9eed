"""An index job: add the fc6 features of a data set to a collection. It goes on where an earlier attempt was stopped."""

from collections.abc import Generator, Sequence

from pfa_core.gallery import GallerySource, fill_segment
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress
from pfa_core.retrieval import GalleryIndex
from pfa_store.collections import Collection
from pfa_store.datasets import Dataset, DatasetItem
from pfa_store.specs import IndexSpec
from pfa_store.store import Store
from workers.left_out import leave_out_items, noted
from workers.sources import dataset_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"collection": name, "items": how many it holds now, "left_out": [...]}."""
    spec, store = work.job.request, work.store
    assert isinstance(spec, IndexSpec)
    dataset = dataset_of(store, spec)
    model = store.models.resolve(spec.model)
    begun = store.collections.begin(spec.collection, model=model.ref, job=work.job, replace=spec.replace)
    if (held := store.collections.holds(spec.collection, work.job)) is not None:  # by an attempt that was lost then
        return _result(work, held)
    extractor = FeatureExtractor.load(store.models.folder(model))
    with SegmentWriter(work.folder / "segment", num_features=extractor.num_features) as writer:
        left_out = yield from fill_segment(
            writer,
            _sources(store, dataset),
            extractor,
            every_frames=spec.every_frames,
            limits=store.videos.limits,
            known=frozenset() if spec.replace else _known(store, begun, dataset),
        )
        leave_out_items(work, dataset, left_out)
        published = store.collections.publish(
            writer,
            spec.collection,
            work.job,
            model=model.ref,
            dataset_id=dataset.id,
            num_features=extractor.num_features,
            replace=spec.replace,
        )
    return _result(work, published)


def _result(work: Work, held: Collection) -> JobResult:
    return {"collection": held.name, "items": held.num_items, "left_out": noted(work)}


def _known(store: Store, collection: Collection, dataset: Dataset) -> frozenset[tuple[object, ...]]:
    """What the collection has of the data set already."""
    folder = store.collections.folder(collection)
    return frozenset() if folder is None else frozenset(GalleryIndex.load(folder).keys(dataset.id))


def _sources(store: Store, dataset: Dataset) -> Sequence[GallerySource]:
    """A video is indexed once; an image once for every person box in it."""
    return list({_key(item): _source(store, dataset, item) for item in store.datasets.items(dataset.id)}.values())


def _key(item: DatasetItem) -> object:
    box = None if item.person is None else item.person.get("person_box")
    return (item.video_id, item.image_sha256, None if box is None else tuple(box))


def _source(store: Store, dataset: Dataset, item: DatasetItem) -> GallerySource:
    if item.video_id is not None:
        video = store.videos.get(item.video_id)
        return GallerySource(
            source=video.id,
            name=item.file,
            path=store.videos.path(video),
            fps=video.fps or None,
            label=item.label,
            dataset=dataset.id,
        )
    assert item.image_sha256 is not None
    box = None if item.person is None else item.person.get("person_box")
    return GallerySource(
        source=item.image_sha256,
        name=item.file,
        path=store.images.path(item.image_sha256),
        still=True,
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        label=item.label,
        dataset=dataset.id,
    )
