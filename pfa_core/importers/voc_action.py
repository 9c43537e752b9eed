"""PASCAL VOC action classification: `Annotations/*.xml`, and lists of `ImageSets/Action`. Source: Everingham et al.

Of every `object` called person with `actions`, one label: the first action that is 1 in the order of the file. Lists
named `train.txt`, `val.txt` or `test.txt` with lines `2010_006215 1` tell the split of a picture. People of one picture
are one group. Coordinates count pixels from 1.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from pfa_core.annotations import FileLabel, relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.imported import Imported, shown
from pfa_core.importers.mat_values import box
from pfa_core.importers.source import Source
from pfa_core.people import Box

MAX_XML_BYTES = 2**20
_LIST_LINE = re.compile(r"(?P<image>\d{4}_\d{6})\s+\d+(?:\s+-?1)?")
_SPLITS = ("train", "val", "test")


def is_voc_action(source: Source) -> bool:
    """Whether it is a picture's XML or a list of pictures."""
    return _is_xml(source) or _is_list(source)


def read_voc_action(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    splits: dict[str, str] = {}
    for source in filter(_is_list, sources):
        for image, listed in _listed(source).items():
            if splits.setdefault(image, listed) != listed:
                raise AnnotationsInvalid(f"{image} is in the lists of {splits[image]} and of {listed}.")
    labels: list[FileLabel] = []
    several: list[str] = []
    for source in filter(_is_xml, sources):
        file, people = _picture(source)
        several += [file for actions, _ in people if len(actions) > 1]
        split = splits.get(PurePosixPath(file).stem)
        labels += [
            FileLabel(file=file, label=actions[0], group=file, split=split, person_box=place)
            for actions, place in people
            if actions
        ]
    if not labels:
        raise AnnotationsInvalid("The VOC annotations hold no person with an action.")
    return Imported(labels=tuple(labels), warnings=tuple(_warnings(labels, several)))


def _warnings(labels: Sequence[FileLabel], several: Sequence[str]) -> list[str]:
    warnings = []
    if several:
        warnings.append(f"{len(several)} people have several actions; the first counts: {shown(several)}.")
    actions: dict[str, set[str | None]] = {}
    for label in labels:
        actions.setdefault(label.file, set()).add(label.label)
    mixed = [file for file, found in actions.items() if len(found) > 1]
    if mixed:
        warnings.append(
            f"{len(mixed)} pictures show people with different actions, and whole pictures are learned from:"
            f" {shown(mixed)}."
        )
    return warnings


def _is_xml(source: Source) -> bool:
    return source.data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<annotation", b"<?xml"))


def _is_list(source: Source) -> bool:
    return bool(source.lines) and all(_LIST_LINE.fullmatch(line) for line in source.lines)


def _listed(source: Source) -> dict[str, str]:
    split = PurePosixPath(source.parts[-1]).stem.split("_")[-1] if source.parts else ""
    if split not in _SPLITS:
        raise AnnotationsInvalid(f"{source.name}: name the list train.txt, val.txt or test.txt; that tells the split.")
    return {line.split()[0]: split for line in source.lines}


def _picture(source: Source) -> tuple[str, list[tuple[list[str], Box | None]]]:
    """The file, and of each person in it the actions and the place."""
    root = _parsed(source)
    name = (root.findtext("filename") or "").strip()
    if root.tag != "annotation" or not name:
        raise AnnotationsInvalid(f"{source.name}: an <annotation> with a <filename> is needed.")
    people = []
    for person in root.iter("object"):
        actions = person.find("actions")
        if (person.findtext("name") or "").strip() == "person" and actions is not None:
            done = [action.tag for action in actions if (action.text or "").strip() == "1"]
            people.append((done, _box(person, where=source.name)))
    return relative_name(name), people


def _parsed(source: Source) -> ET.Element:
    if len(source.data) > MAX_XML_BYTES:
        raise AnnotationsInvalid(f"{source.name}: the XML of a picture has at most {MAX_XML_BYTES} bytes.")
    if "<!" in source.text.replace("<!--", ""):
        raise AnnotationsInvalid(f"{source.name}: the XML declares a document type or entities; VOC's has none.")
    try:
        return ET.fromstring(source.text)  # noqa: S314  # bounded, and without entities: nothing can grow
    except ET.ParseError as error:
        raise AnnotationsInvalid(f"{source.name}: the XML does not read: {error}.") from error


def _box(person: ET.Element, *, where: str) -> Box | None:
    corners = [person.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
    if None in corners:
        return None
    try:
        return box(np.array([float(corner or "nan") for corner in corners]))
    except ValueError as error:
        raise AnnotationsInvalid(f"{where}: bndbox must hold numbers: {error}.") from error
