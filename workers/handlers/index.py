"""An index job: fill a collection with the fc6 features of a data set."""

from collections.abc import Generator

from pfa_core.gallery import GallerySource, fill_gallery
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress
from pfa_store.datasets import DatasetItem
from pfa_store.specs import IndexSpec
from pfa_store.store import Store
from workers.left_out import leave_out_items, noted
from workers.sources import dataset_of
from workers.work import JobResult, Work


def handle(work: Work) -> Generator[Progress, None, JobResult]:
    """Result: {"collection": name, "items": n, "left_out": [...]}."""
    spec, store = work.job.request, work.store
    assert isinstance(spec, IndexSpec)
    dataset = dataset_of(store, spec)
    model = store.models.resolve(spec.model)
    store.collections.begin(spec.collection, model=model.ref, job=work.job)
    extractor = FeatureExtractor.load(store.models.folder(model))
    sources = {_key(item): _source(store, item) for item in store.datasets.items(dataset.id)}
    gallery = yield from fill_gallery(
        list(sources.values()), extractor, every_frames=spec.every_frames, limits=store.videos.limits
    )
    leave_out_items(work, dataset, gallery.left_out)
    num_items = len(gallery.index)
    gallery.index.save(work.out / "index")
    store.collections.publish(
        work.out / "index", spec.collection, work.job, model=model.ref, dataset_id=dataset.id, num_items=num_items
    )
    return {"collection": spec.collection, "items": num_items, "left_out": noted(work)}


def _key(item: DatasetItem) -> object:
    """A video is indexed once; an image once for every person box in it."""
    box = None if item.person is None else item.person.get("person_box")
    return (item.video_id, item.image_sha256, None if box is None else tuple(box))


def _source(store: Store, item: DatasetItem) -> GallerySource:
    if item.video_id is not None:
        video = store.videos.get(item.video_id)
        return GallerySource(source=video.id, name=item.file, path=store.videos.path(video), fps=video.fps or None)
    assert item.image_sha256 is not None
    box = None if item.person is None else item.person.get("person_box")
    return GallerySource(
        source=item.image_sha256,
        name=item.file,
        path=store.images.path(item.image_sha256),
        still=True,
        box=None if box is None else (box[0], box[1], box[2], box[3]),
    )
