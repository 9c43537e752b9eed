"""Annotations as they were sent along: what they say about each file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from api.form import ReceivedForm
from api.sent import Sent, unpacked
from pfa_core.annotations import FileLabel
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.folders import read_folders
from pfa_core.importers.formats import FOLDERS, MAX_BYTES, named, read_annotations
from pfa_core.importers.source import Source
from pfa_core.people import Person, PoseData
from pfa_core.skeleton import JointSet
from pfa_store.datasets import Split
from pfa_store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the annotations say about a file, or about one person in it."""

    label: str | None = None
    group: str | None = None
    split: Split | None = None
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    """Annotations as they were sent: notes by the name of a file, and the joints that people may have."""

    by_file: Mapping[str, Sequence[Note]]
    joints: JointSet | None
    warnings: Sequence[str] = ()

    def of_sent(self, sent: Sequence[Sent]) -> Mapping[str, Sequence[Note]]:
        """The notes by the names of files that were sent: by path, or by the end of it that is unique.

        Raises:
            AnnotationsInvalid: a file is annotated that was not sent, or it is not clear which one is meant, as when
                two were sent under its name.
        """
        names = [file.name for file in sent]
        by_last_part: dict[str, list[str]] = {}
        for name in names:
            by_last_part.setdefault(PurePosixPath(name).name, []).append(name)
        matched: dict[str, Sequence[Note]] = {}
        missing: list[str] = []
        for file, notes in self.by_file.items():
            alike = by_last_part.get(PurePosixPath(file).name, [])
            exact = [name for name in alike if name == file]
            candidates = exact or [name for name in alike if name.endswith(f"/{file}")] or alike
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


def notes_of(store: Store, form: ReceivedForm, sent: Sequence[Sent], *, format_name: str | None = None) -> Notes:
    """The annotations of a form; empty where it has none.

    Args:
        sent: the files that they are about; in the format `folders` their names say it all.
        format_name: the format; None: found out from the content.

    Raises:
        AnnotationsInvalid: they do not read.
        ArchiveInvalid, PayloadTooLarge, DiskFull: they came in an archive.
    """
    files = list(unpacked(form.files_of("annotations"), store))
    if format_name == FOLDERS:
        if files:
            raise AnnotationsInvalid("In the format 'folders' the folders are the labels; send no `annotations`.")
        return _notes_of_labels(read_folders([file.name for file in sent]), warnings=())
    if not files:
        return _without_annotations(format_name)
    if sum(file.path.stat().st_size for file in files) > MAX_BYTES:
        raise AnnotationsInvalid(f"The annotations are larger than {MAX_BYTES} bytes.")
    found = read_annotations([Source(file.name, file.path.read_bytes()) for file in files], format_name=format_name)
    if found.people is None:
        return _notes_of_labels(found.labels, warnings=found.warnings)
    return _notes_of_people(found.people, warnings=found.warnings)


def _without_annotations(format_name: str | None) -> Notes:
    if format_name is not None:
        raise AnnotationsInvalid(f"A file `annotations` of the format {named(format_name).name!r} is needed.")
    return Notes({}, None)


def _notes_of_people(data: PoseData, *, warnings: Sequence[str]) -> Notes:
    notes: dict[str, list[Note]] = {}
    for person in data.people:
        known = replace(person, joints={name: point for name, point in person.joints.items() if point[2] > 0})
        note = Note(group=person.group, split=_split(person.split), person=known)
        notes.setdefault(str(person.image), []).append(note)
    return Notes(notes, data.joints, warnings)


def _notes_of_labels(labels: Sequence[FileLabel], *, warnings: Sequence[str]) -> Notes:
    notes: dict[str, list[Note]] = {}
    for label in labels:
        boxed = label.person_box is not None
        person = Person(image=Path(label.file), joints={}, person_box=label.person_box) if boxed else None
        note = Note(label=label.label, group=label.group, split=_split(label.split), person=person)
        notes.setdefault(label.file, []).append(note)
    return Notes(notes, None, warnings)


def _split(value: str | None) -> Split | None:
    match value:
        case None | "train" | "val" | "test":
            return value
    raise AnnotationsInvalid(f"A split is train, val or test, not {value!r}.")
