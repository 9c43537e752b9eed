"""Annotations as they were sent along: what they say about each file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from api.multipart import ReceivedForm
from api.sent import Sent
from pfa_core.annotations import FileLabel, read_label_csv, read_pose_json
from pfa_core.errors import AnnotationsInvalid
from pfa_core.people import PoseData
from pfa_core.skeleton import JointSet
from pfa_store.datasets import Split

MAX_ANNOTATION_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the annotations say about a file, or about one person in it."""

    label: str | None = None
    group: str | None = None
    split: Split | None = None
    person: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    """Annotations as they were sent: notes by the name of a file, and the joints that people may have."""

    by_file: Mapping[str, Sequence[Note]]
    joints: JointSet | None

    def of_sent(self, sent: Sequence[Sent]) -> Mapping[str, Sequence[Note]]:
        """The notes by the names of files that were sent: by path, or by the last part of it where that is unique.

        Raises:
            AnnotationsInvalid: a file is annotated that was not sent, or it is not clear which one is meant.
        """
        names = {file.name for file in sent}
        by_last_part: dict[str, list[str]] = {}
        for name in names:
            by_last_part.setdefault(PurePosixPath(name).name, []).append(name)
        matched: dict[str, Sequence[Note]] = {}
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


def notes_of(form: ReceivedForm) -> Notes:
    """The annotations of a form; empty where it has none. Raises: AnnotationsInvalid: they do not read."""
    if not form.files_of("annotations"):
        return Notes({}, None)
    file = form.only_file("annotations")
    if file.num_bytes > MAX_ANNOTATION_BYTES:
        raise AnnotationsInvalid(f"The annotations are larger than {MAX_ANNOTATION_BYTES} bytes.")
    data = file.path.read_bytes()
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _notes_of_people(read_pose_json(data))
    return _notes_of_labels(read_label_csv(data))


def _notes_of_people(data: PoseData) -> Notes:
    notes: dict[str, list[Note]] = {}
    for person in data.people:
        known = replace(person, joints={name: point for name, point in person.joints.items() if point[2] > 0})
        note = Note(group=person.group, split=_split(person.split), person=known.to_json())
        notes.setdefault(str(person.image), []).append(note)
    return Notes(notes, data.joints)


def _notes_of_labels(labels: Sequence[FileLabel]) -> Notes:
    return Notes(
        {label.file: [Note(label=label.label, group=label.group, split=_split(label.split))] for label in labels},
        None,
    )


def _split(value: str | None) -> Split | None:
    match value:
        case None | "train" | "val" | "test":
            return value
    raise AnnotationsInvalid(f"A split is train, val or test, not {value!r}.")
