"""Files that were sent become data sets: annotations matched, bad files left out by name."""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from api.errors import RequestInvalid
from api.form import FormLimits, ReceivedForm
from api.notes import Note, Notes, notes_of
from api.schemas.videos import LeftOut
from api.sent import Sent, files_of, head_of, is_image
from pfa_core.errors import AnnotationsInvalid, ImageTooLarge, InputError, NoUsableVideos
from pfa_core.importers.inside import inside, outside_warnings
from pfa_store.datasets import Dataset, ImageItem, VideoItem
from pfa_store.idempotency import Once
from pfa_store.images import Image
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.videos import Video


@dataclass(frozen=True, slots=True)
class Made:
    """A new data set, and the files that are not in it."""

    dataset: Dataset
    left_out: list[LeftOut]
    warnings: Sequence[str] = ()
    """What is odd about its annotations; it can be used all the same."""


def form_limits(settings: Settings, *, files: Iterable[str], fields: Iterable[str] = ()) -> FormLimits:
    """What a form that brings videos or images may hold."""
    return FormLimits(files=frozenset(files), fields=frozenset(fields), max_file_bytes=settings.max_upload_bytes)


Kept = tuple[list[tuple[str, Video]], list[LeftOut]]
"""Videos with the names that they were sent under, of which several may be the same; and what is not among them."""


def keep_videos(store: Store, form: ReceivedForm, *, key_id: str | None, once: Once | None = None) -> Kept:
    """Keep the videos of a form; a request that was here before gets the same ones.

    Raises:
        RequestInvalid: it has no files; as `add_videos` otherwise.
        IdempotencyConflict: the key of `once` was used for another request.
    """
    with store.idempotency.alone(once) as made:
        if made is not None:
            kept = [(name, store.videos.get(video_id)) for name, video_id in made["videos"]]
            return kept, [LeftOut(**entry) for entry in made["left_out"]]
        videos, left_out = add_videos(store, files_of(store, form), key_id=key_id)
        if once is not None:
            named = [(name, video.id) for name, video in videos]
            store.idempotency.remember(_with_notes(once, videos=named, left_out=left_out), made="")
        return videos, left_out


def add_videos(store: Store, sent: Sequence[Sent], *, key_id: str | None) -> Kept:
    """Keep the videos among the files.

    Raises:
        InputError: the only file cannot be used.
        NoUsableVideos: none of several can.
    """
    videos: list[tuple[str, Video]] = []
    left_out: list[LeftOut] = []

    def keep(file: Sent) -> Video | InputError:
        try:
            return store.videos.add(file.path, filename=file.name, key_id=key_id)[0]
        except InputError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="keep-video") as pool:  # most of it is child processes
        for file, kept in zip(sent, pool.map(keep, sent), strict=True):
            if not isinstance(kept, InputError):
                videos.append((file.name, kept))
            elif len(sent) == 1:
                raise kept
            else:
                left_out.append(LeftOut(file=file.name, code=kept.code, message=str(kept)))
    if not videos:
        raise no_usable_videos(left_out)
    return videos, left_out


def no_usable_videos(left_out: Sequence[LeftOut]) -> NoUsableVideos:
    """The error that names every video and what is wrong with it."""
    return NoUsableVideos(
        f"None of the {len(left_out)} videos can be used. {reasons(left_out)}",
        left_out=[entry.model_dump() for entry in left_out[:100]],
    )


def make_dataset(
    store: Store,
    form: ReceivedForm,
    *,
    name: str,
    key_id: str | None,
    format_name: str | None = None,
    once: Once | None = None,
) -> Made:
    """Make a data set of the `files` of a form and its optional `annotations`, of a named format or of any.

    With `once`, a request that was here before gets the data set that it made then.

    Raises:
        RequestInvalid: no files, or images and videos together.
        AnnotationsInvalid: they do not read, or name files that were not sent.
        InputError, ArchiveInvalid, PayloadTooLarge, DiskFull: from the files.
        NameTaken: another data set has the name.
        IdempotencyConflict: the key of `once` was used for another request.
    """
    with store.idempotency.alone(once) as made:
        if made is not None:
            return made_before(store, made)
        return _make(store, form, _Wanted(name, key_id, once), format_name=format_name)


def made_before(store: Store, made: Mapping[str, Any]) -> Made:
    """The data set that a request made when it was here before. Raises: DatasetNotFound: it was deleted since."""
    left_out = [LeftOut(**entry) for entry in made.get("left_out", ())]
    return Made(store.datasets.get(made["id"]), left_out, made.get("warnings", ()))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The data set that is asked for."""

    name: str
    key_id: str | None
    once: Once | None

    def once_with(self, left_out: Sequence[LeftOut], warnings: Sequence[str]) -> Once | None:
        return None if self.once is None else _with_notes(self.once, left_out=left_out, warnings=list(warnings))


def _with_notes(once: Once, *, left_out: Sequence[LeftOut], **notes: object) -> Once:
    return replace(once, notes={"left_out": [entry.model_dump() for entry in left_out], **notes})


def _make(store: Store, form: ReceivedForm, wanted: _Wanted, *, format_name: str | None) -> Made:
    sent = files_of(store, form)
    notes = notes_of(store, form, sent, format_name=format_name)
    images = [file for file in sent if is_image(head_of(file.path))]
    if not images:
        return _of_videos(store, sent, notes, wanted)
    if len(images) < len(sent):
        odd = next(file.name for file in sent if file not in images)
        raise RequestInvalid(f"A data set holds videos or images, not both: {odd!r} is no JPEG, PNG or WebP image.")
    return _of_images(store, sent, notes, wanted)


def new_name(prefix: str) -> str:
    """A name that no other data set has."""
    return f"{prefix[:60]}-{uuid.uuid4().hex[:12]}"


def reasons(left_out: Sequence[LeftOut]) -> str:
    """What is wrong with the first few files, for a message."""
    return "; ".join(f"{entry.file}: {entry.message}" for entry in left_out[:5])


def _of_videos(store: Store, sent: Sequence[Sent], notes: Notes, wanted: _Wanted) -> Made:
    if notes.joints is not None:
        raise AnnotationsInvalid(
            "Joints belong to images. For videos send labels, such as CSV `file,label,group,split`."
        )
    by_file = notes.of_sent(sent)
    videos, left_out = add_videos(store, sent, key_id=wanted.key_id)
    items: dict[str, VideoItem] = {}
    for file, video in videos:
        if video.id in items:
            left_out.append(LeftOut(file=file, code="duplicate", message="Another file has the same bytes."))
            continue
        note = by_file.get(file, [Note()])[0]
        items[video.id] = VideoItem(video_id=video.id, label=note.label, group=note.group, split=note.split)
    once = wanted.once_with(left_out, notes.warnings)
    dataset = store.datasets.create_from_videos(wanted.name, list(items.values()), key_id=wanted.key_id, once=once)
    return Made(dataset, left_out, notes.warnings)


def _of_images(store: Store, sent: Sequence[Sent], notes: Notes, wanted: _Wanted) -> Made:
    by_file = notes.of_sent(sent)
    items: list[ImageItem] = []
    left_out: list[LeftOut] = []
    outside: list[str] = []
    for file in sent:
        try:
            image = _add_image(store, file)
        except InputError as error:
            if len(sent) == 1:
                raise
            left_out.append(LeftOut(file=file.name, code=error.code, message=str(error)))
            continue
        for note in by_file.get(file.name, [Note()]):
            item, dropped = _item(file, image, note)
            items.append(item)
            outside += dropped
    joint_names = None if notes.joints is None else notes.joints.names
    warnings = [*notes.warnings, *outside_warnings(outside)]
    once = wanted.once_with(left_out, warnings)
    dataset = store.datasets.create_from_images(wanted.name, joint_names, items, key_id=wanted.key_id, once=once)
    return Made(dataset, left_out, warnings)


def _item(file: Sent, image: Image, note: Note) -> tuple[ImageItem, list[str]]:
    """The item, and what of its person lies outside the image. Raises: AnnotationsInvalid: all of them."""
    person = None
    outside: list[str] = []
    if note.person is not None:
        person, outside = inside(replace(note.person, name=file.name), size=(image.height_px, image.width_px))
    item = ImageItem(
        file=file.name,
        image_sha256=image.sha256,
        label=note.label,
        group=note.group,
        split=note.split,
        person=None if person is None else person.to_json(),
    )
    return item, [f"{file.name} ({joint})" for joint in outside]


def _add_image(store: Store, file: Sent) -> Image:
    max_bytes = store.settings.max_image_bytes
    if file.path.stat().st_size > max_bytes:
        raise ImageTooLarge(f"The image is larger than {max_bytes} bytes.")
    return store.images.add(file.path.read_bytes())
