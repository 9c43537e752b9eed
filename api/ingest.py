"""Files that were sent become data sets: archives unpacked, annotations matched, bad files left out by name."""

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from api.archives import ArchiveLimits, is_archive, unpack
from api.errors import RequestInvalid
from api.multipart import FormLimits, ReceivedFile, ReceivedForm
from api.schemas.videos import LeftOut
from pfa_core.annotations import FileLabel, read_label_csv, read_pose_json
from pfa_core.errors import AnnotationsInvalid, ImageTooLarge, InputError, NoUsableVideos
from pfa_core.people import PoseData
from pfa_core.skeleton import JointSet
from pfa_store.datasets import Dataset, ImageItem, Split, VideoItem
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.videos import Video

MAX_ANNOTATION_BYTES = 512 * 2**20
_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent, by itself or in an archive."""

    name: str
    """Relative path as the sender wrote it, with `/`: a label."""
    path: Path


@dataclass(frozen=True, slots=True)
class Made:
    """A new data set, and the files that are not in it."""

    dataset: Dataset
    left_out: list[LeftOut]


def form_limits(settings: Settings, *, files: Iterable[str], fields: Iterable[str] = ()) -> FormLimits:
    """What a form that brings videos or images may hold."""
    return FormLimits(files=frozenset(files), fields=frozenset(fields), max_file_bytes=settings.max_upload_bytes)


def keep_videos(store: Store, form: ReceivedForm, *, key_id: str | None) -> tuple[dict[str, Video], list[LeftOut]]:
    """Keep the videos of a form. Raises: RequestInvalid: it has no files; as `add_videos` otherwise."""
    return add_videos(store, _sent(store, form), key_id=key_id)


def add_videos(store: Store, sent: Sequence[Sent], *, key_id: str | None) -> tuple[dict[str, Video], list[LeftOut]]:
    """Keep the videos among the files, by the name that they were sent under.

    Raises:
        InputError: the only file cannot be used.
        NoUsableVideos: none of several can.
    """
    videos: dict[str, Video] = {}
    left_out: list[LeftOut] = []

    def keep(file: Sent) -> Video | InputError:
        try:
            return store.videos.add(file.path, filename=file.name, key_id=key_id)[0]
        except InputError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="keep-video") as pool:  # most of it is child processes
        for file, kept in zip(sent, pool.map(keep, sent), strict=True):
            if not isinstance(kept, InputError):
                videos[file.name] = kept
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


def make_dataset(store: Store, form: ReceivedForm, *, name: str, key_id: str | None) -> Made:
    """Make a data set of the `files` of a form and its optional `annotations`.

    Raises:
        RequestInvalid: no files, or images and videos together.
        AnnotationsInvalid: they do not read, or name files that were not sent.
        InputError, ArchiveInvalid, PayloadTooLarge, DiskFull: from the files.
        NameTaken: another data set has the name.
    """
    notes = _annotations(form)
    sent = _sent(store, form)
    images = [file for file in sent if is_image(_head(file.path))]
    if not images:
        return _of_videos(store, sent, notes, name=name, key_id=key_id)
    if len(images) < len(sent):
        odd = next(file.name for file in sent if file not in images)
        raise RequestInvalid(f"A data set holds videos or images, not both: {odd!r} is no JPEG, PNG or WebP image.")
    return _of_images(store, sent, notes, name=name, key_id=key_id)


def new_name(prefix: str) -> str:
    """A name that no other data set has."""
    return f"{prefix[:60]}-{uuid.uuid4().hex[:12]}"


def _sent(store: Store, form: ReceivedForm) -> list[Sent]:
    sent = list(unpacked(form.files_of("files"), store))
    if not sent:
        raise RequestInvalid("The form needs at least one file in its field 'files'.", field="files")
    return sent


def unpacked(files: Sequence[ReceivedFile], store: Store) -> Iterator[Sent]:
    """The files, with archives replaced by what is in them."""
    settings = store.settings
    limits = ArchiveLimits(
        max_members=100_000,
        max_total_bytes=4 * settings.max_upload_bytes,
        max_member_bytes=max(settings.max_video_bytes, settings.max_image_bytes),
    )
    for file in files:
        if is_archive(_head(file.path)):
            for member in unpack(file.path, file.path.parent, limits=limits, require_space=store.files.ensure_space):
                yield Sent(member.name, member.path)
        else:
            yield Sent(_label(file.filename), file.path)


def _label(filename: str) -> str:
    parts = [part for part in PurePosixPath(filename.replace("\\", "/")).parts if part not in ("/", "..")]
    return "".join(char for char in "/".join(parts) if char.isprintable())[-500:] or "unnamed"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is a JPEG, PNG or WebP image."""
    return head.startswith(_IMAGE_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def reasons(left_out: Sequence[LeftOut]) -> str:
    """What is wrong with the first few files, for a message."""
    return "; ".join(f"{entry.file}: {entry.message}" for entry in left_out[:5])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """What the annotations say about a file, or about one person in it."""

    label: str | None = None
    group: str | None = None
    split: Split | None = None
    person: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Notes:
    """Annotations as they were sent: notes by the name of a file, and the joints that people may have."""

    by_file: Mapping[str, Sequence[_Note]]
    joints: JointSet | None

    def of_sent(self, sent: Sequence[Sent]) -> Mapping[str, Sequence[_Note]]:
        """The notes by the names of files that were sent: by path, or by the last part of it where that is unique.

        Raises:
            AnnotationsInvalid: a file is annotated that was not sent, or it is not clear which one is meant.
        """
        names = {file.name for file in sent}
        by_last_part: dict[str, list[str]] = {}
        for name in names:
            by_last_part.setdefault(PurePosixPath(name).name, []).append(name)
        matched: dict[str, Sequence[_Note]] = {}
        missing: list[str] = []
        for file, notes in self.by_file.items():
            candidates = [file] if file in names else by_last_part.get(PurePosixPath(file).name, [])
            if len(candidates) != 1 or candidates[0] in matched:
                missing.append(file)
            else:
                matched[candidates[0]] = notes
        if missing:
            shown = ", ".join(repr(file) for file in missing[:5])
            raise AnnotationsInvalid(
                f"The annotations name {len(missing)} files that were not sent, or not under a clear name: {shown}."
                " Send these files too, or leave them out of the annotations.",
                missing=missing[:100],
            )
        return matched


def _annotations(form: ReceivedForm) -> _Notes:
    if not form.files_of("annotations"):
        return _Notes({}, None)
    file = form.only_file("annotations")
    if file.num_bytes > MAX_ANNOTATION_BYTES:
        raise AnnotationsInvalid(f"The annotations are larger than {MAX_ANNOTATION_BYTES} bytes.")
    data = file.path.read_bytes()
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _notes_of_people(read_pose_json(data))
    return _notes_of_labels(read_label_csv(data))


def _notes_of_people(data: PoseData) -> _Notes:
    notes: dict[str, list[_Note]] = {}
    for person in data.people:
        known = replace(person, joints={name: point for name, point in person.joints.items() if point[2] > 0})
        note = _Note(group=person.group, split=_split(person.split), person=known.to_json())
        notes.setdefault(str(person.image), []).append(note)
    return _Notes(notes, data.joints)


def _notes_of_labels(labels: Sequence[FileLabel]) -> _Notes:
    return _Notes(
        {label.file: [_Note(label=label.label, group=label.group, split=_split(label.split))] for label in labels},
        None,
    )


def _split(value: str | None) -> Split | None:
    match value:
        case None | "train" | "val" | "test":
            return value
    raise AnnotationsInvalid(f"A split is train, val or test, not {value!r}.")


def _of_videos(store: Store, sent: Sequence[Sent], notes: _Notes, *, name: str, key_id: str | None) -> Made:
    if notes.joints is not None:
        raise AnnotationsInvalid("Joints belong to images. For videos send CSV `file,label,group,split`.")
    by_file = notes.of_sent(sent)
    videos, left_out = add_videos(store, sent, key_id=key_id)
    items: dict[str, VideoItem] = {}
    for file, video in videos.items():
        if video.id in items:
            left_out.append(LeftOut(file=file, code="duplicate", message="Another file has the same bytes."))
            continue
        note = by_file.get(file, [_Note()])[0]
        items[video.id] = VideoItem(video_id=video.id, label=note.label, group=note.group, split=note.split)
    dataset = store.datasets.create_from_videos(name, list(items.values()), key_id=key_id)
    return Made(dataset, left_out)


def _of_images(store: Store, sent: Sequence[Sent], notes: _Notes, *, name: str, key_id: str | None) -> Made:
    by_file = notes.of_sent(sent)
    items: list[ImageItem] = []
    left_out: list[LeftOut] = []
    for file in sent:
        try:
            sha256 = _add_image(store, file)
        except InputError as error:
            if len(sent) == 1:
                raise
            left_out.append(LeftOut(file=file.name, code=error.code, message=str(error)))
            continue
        items += [
            ImageItem(
                file=file.name,
                image_sha256=sha256,
                label=note.label,
                group=note.group,
                split=note.split,
                person=note.person,
            )
            for note in by_file.get(file.name, [_Note()])
        ]
    joint_names = None if notes.joints is None else notes.joints.names
    dataset = store.datasets.create_from_images(name, joint_names, items, key_id=key_id)
    return Made(dataset, left_out)


def _add_image(store: Store, file: Sent) -> str:
    max_bytes = store.settings.max_image_bytes
    if file.path.stat().st_size > max_bytes:
        raise ImageTooLarge(f"The image is larger than {max_bytes} bytes.")
    return store.images.add(file.path.read_bytes()).sha256
