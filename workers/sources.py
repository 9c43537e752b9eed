"""From what a job names to what a recipe takes: videos, people and clips with their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pfa_core.clips import LabelledClip
from pfa_core.errors import DatasetUnsuitable
from pfa_core.left_out import LeftOut
from pfa_core.people import Person
from pfa_core.skeleton import JointSet
from pfa_store.datasets import Dataset, DatasetItem
from pfa_store.specs import FinetuneSpec, Spec, VideosSpec
from pfa_store.store import Store
from pfa_store.videos import Video


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVideo:
    """A video and what the data set says about it."""

    video: Video
    file: str
    label: str | None = None
    group: str | None = None
    split: str | None = None


def dataset_of(store: Store, spec: Spec) -> Dataset:
    """The data set that a job names.

    Raises:
        DatasetUnsuitable: it names none.
        DatasetNotFound: it was deleted meanwhile.
    """
    if spec.dataset is None:
        raise DatasetUnsuitable("This job needs a data set: name one in `dataset`.")
    return store.datasets.get(spec.dataset)


def videos_of(store: Store, spec: Spec) -> list[SourceVideo]:
    """The videos of a job, each once; of a finetuning job, those that are labelled and not of the split `test`.

    Raises:
        DatasetUnsuitable: it names none, or a data set of images.
        VideoNotFound, DatasetNotFound: deleted meanwhile.
    """
    if isinstance(spec, VideosSpec) and spec.videos:
        named = [store.videos.get(video_id) for video_id in dict.fromkeys(spec.videos)]
        return [SourceVideo(video=video, file=video.filename) for video in named]
    dataset = dataset_of(store, spec)
    items = store.datasets.items(dataset.id)
    if isinstance(spec, FinetuneSpec):
        items = tuple(item for item in items if item.label is not None and item.split != "test")
    found = {item.video_id: _source(store, item) for item in items if item.video_id}
    if not found:
        raise DatasetUnsuitable(f"The data set {dataset.name!r} holds no videos.")
    return list(found.values())


def people_of(store: Store, dataset: Dataset) -> tuple[JointSet, list[Person]]:
    """The labelled people of a data set of images.

    Raises:
        DatasetUnsuitable: no joints are labelled.
    """
    if not dataset.joint_names:
        raise DatasetUnsuitable(f"The data set {dataset.name!r} has no labelled joints; send images with annotations.")
    people = [
        Person.from_json(
            item.person,
            image=store.images.path(item.image_sha256),
            name=item.file,
            split=item.split,
            group=item.group,
        )
        for item in store.datasets.items(dataset.id)
        if item.image_sha256 is not None and item.person is not None
    ]
    return JointSet(dataset.joint_names), people


def clips_of(store: Store, dataset: Dataset) -> list[LabelledClip]:
    """The labelled videos and images of a data set.

    Raises:
        DatasetUnsuitable: nothing has a label.
    """
    clips = [_clip(store, item, item.label) for item in store.datasets.items(dataset.id) if item.label is not None]
    if not clips:
        raise DatasetUnsuitable(f"The data set {dataset.name!r} has no labels; say what each item shows.")
    return clips


def contents(store: Store, dataset: Dataset, *, left_out: Sequence[LeftOut] = ()) -> tuple[str, ...]:
    """sha256 of every video and image but those left out, sorted: what a model's lineage keeps."""
    unused = {one.path for one in left_out}
    return tuple(sorted(sha256 for path, sha256 in content_at(store, dataset).items() if path not in unused))


def content_at(store: Store, dataset: Dataset) -> dict[Path, str]:
    """sha256 by path of every video and image."""
    items = store.datasets.items(dataset.id)
    images = {item.image_sha256 for item in items if item.image_sha256}
    videos = [store.videos.get(video_id) for video_id in {item.video_id for item in items if item.video_id}]
    return {store.images.path(sha256): sha256 for sha256 in images} | {
        store.videos.path(video): video.sha256 for video in videos
    }


def _source(store: Store, item: DatasetItem) -> SourceVideo:
    assert item.video_id is not None
    return SourceVideo(
        video=store.videos.get(item.video_id), file=item.file, label=item.label, group=item.group, split=item.split
    )


def _clip(store: Store, item: DatasetItem, label: str) -> LabelledClip:
    if item.video_id is None:
        assert item.image_sha256 is not None
        path = store.images.path(item.image_sha256)
        return LabelledClip(name=item.file, label=label, path=path, group=item.group, split=item.split, still=True)
    video = store.videos.get(item.video_id)
    return LabelledClip(
        name=item.file,
        label=label,
        path=store.videos.path(video),
        group=item.group,
        split=item.split,
        num_frames=video.num_frames,
    )
