"""Labelled sets as they lie on a disk: annotations of any known format, and the files that they name."""

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path, PurePosixPath

from pfa.files_below import IMAGE_SUFFIXES
from pfa.tables_file import Labelled
from pfa_core.clips import LabelledClip
from pfa_core.durable import sha256_of
from pfa_core.errors import AnnotationsInvalid, DatasetUnsuitable
from pfa_core.importers.formats import read_annotations
from pfa_core.importers.imported import Imported, shown
from pfa_core.importers.source import Source
from pfa_core.people import Person
from pfa_core.progress import Progress
from pfa_core.skeleton import JointSet


def clips_of(found: Imported, folder: Path, *, name: str) -> tuple[LabelledClip, ...]:
    """The files that annotations label, found below a folder.

    Raises:
        DatasetUnsuitable: nothing has a label, or files are missing.
    """
    labels = [label for label in found.labels if label.label is not None]
    if not labels:
        raise DatasetUnsuitable(f"{name}: its annotations have no action labels.")
    paths = located(folder, [label.file for label in labels], name=name)
    return tuple(
        LabelledClip(
            name=label.file, label=label.label or "", path=path, group=label.group, split=label.split,
            still=path.suffix.lower() in IMAGE_SUFFIXES,
        )
        for label, path in zip(labels, paths, strict=True)
    )  # fmt: skip


def people_of(found: Imported, folder: Path, *, name: str) -> tuple[JointSet, tuple[Person, ...]]:
    """The people that annotations tell of, each with its image, found below a folder.

    Raises:
        DatasetUnsuitable: there are none, or images are missing.
    """
    if found.people is None:
        raise DatasetUnsuitable(f"{name}: its annotations have no people with joints.")
    people = found.people.people
    paths = located(folder, [str(person.image) for person in people], name=name)
    return found.people.joints, tuple(_at(person, path) for person, path in zip(people, paths, strict=True))


def _at(person: Person, path: Path) -> Person:
    return Person.from_json(
        person.to_json(), image=path, name=str(person.image), split=person.split, group=person.group
    )


def annotations_of(one: Labelled, root: Path) -> tuple[Imported, Path]:
    """What the annotations say, and the folder that they name files in. Raises: AnnotationsInvalid."""
    places = [(root / text, path) for text in one.annotations for path in files_of(root / text)]
    try:
        sources = [
            Source(path.name if path == place else path.relative_to(place).as_posix(), path.read_bytes())
            for place, path in places
        ]
    except OSError as error:
        raise AnnotationsInvalid(f"{error.filename} cannot be read: {error.strerror}.") from error
    folder = root / one.files if one.files is not None else (root / one.annotations[0]).parent
    return read_annotations(sources, format_name=one.format), folder


def files_of(path: Path) -> list[Path]:
    """A file, or all files of a folder, sorted."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def located(folder: Path, files: Sequence[str], *, name: str) -> list[Path]:
    """Where the files are: by their path in the folder, or by the last part of it where that is unique.

    Raises:
        DatasetUnsuitable: some are not there.
    """
    paths = [folder / file for file in files]
    if all(path.is_file() for path in paths):
        return paths
    by_name: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        by_name.setdefault(path.name, []).append(path)
    found, missing = [], []
    for file, path in zip(files, paths, strict=True):
        alike = [path] if path.is_file() else by_name.get(PurePosixPath(file).name, [])
        found += alike[:1]
        missing += [] if len(alike) == 1 else [file]
    if missing:
        raise DatasetUnsuitable(
            f"{name}: {len(missing)} of {len(files)} files are not in {folder}, or not under a clear name:"
            f" {shown(missing)}."
        )
    return found


def contents_of(paths: Iterable[Path], *, phase: str) -> Generator[Progress, None, dict[Path, str]]:
    """sha256 of each file."""
    unique = list(dict.fromkeys(paths))
    contents = {}
    for step, path in enumerate(unique, start=1):
        contents[path] = sha256_of(path)
        yield Progress(phase=phase, step=step, total=len(unique))
    return contents
