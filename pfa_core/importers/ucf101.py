"""UCF101: `trainlist01.txt`, `testlist01.txt` and `classInd.txt`. Source: Soomro et al. 2012.

Lines of a list are `Class/v_Class_g08_c01.avi`, in the training list followed by the number of the class, which
`classInd.txt` gives a name: `1 ApplyEyeMakeup`. The label is the folder; the list of classes, where it is sent, has to
know it. Clips of one group `gNN` of one class show the same person or scene.
"""

import re
from collections.abc import Sequence

from pfa_core.annotations import FileLabel, relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.imported import Imported, overlap_warnings
from pfa_core.importers.source import Source

_CLIP = re.compile(r"(?P<file>(?P<label>[^/\s]+)/v_[^/\s]+_(?P<group>g\d+)_c\d+\.\w+)(?:\s+(?P<number>\d+))?")
_CLASS = re.compile(r"(?P<number>\d+)\s+(?P<label>[A-Za-z]\w*)")


def is_ucf101(source: Source) -> bool:
    """Whether it is a list of clips, or of classes."""
    return _all(source, _CLIP) or _all(source, _CLASS)


def read_ucf101(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    classes: dict[str, str] = {}
    for source in sources:
        if _all(source, _CLASS):
            classes |= {match["label"]: match["number"] for match in _matches(source, _CLASS)}
    labels = [
        _label(match, classes, source=source)
        for source in sources
        if not _all(source, _CLASS)
        for match in _matches(source, _CLIP)
    ]
    if not labels:
        raise AnnotationsInvalid(
            "The list of classes alone labels nothing; send trainlist01.txt and testlist01.txt too."
        )
    splits: dict[str, str | None] = {}
    for label in labels:
        if label.file in splits:
            raise AnnotationsInvalid(
                f"{label.file} is named twice; send the lists of one split, such as trainlist01.txt and testlist01.txt."
            )
        splits[label.file] = label.split
    return Imported(labels=tuple(labels), warnings=tuple(overlap_warnings(labels)))


def _label(match: "re.Match[str]", classes: dict[str, str], *, source: Source) -> FileLabel:
    label, number = match["label"], match["number"]
    if classes and label not in classes:
        raise AnnotationsInvalid(
            f"{source.name}: the class {label!r} of {match['file']} is not in the list of classes."
        )
    if classes and number is not None and classes[label] != number:
        raise AnnotationsInvalid(
            f"{source.name}: {match['file']} has the number {number}, and {label!r} is number {classes[label]}."
        )
    return FileLabel(
        file=relative_name(match["file"]),
        label=label,
        group=f"{label}/{match['group']}",
        split="test" if number is None else "train",
    )


def _all(source: Source, pattern: "re.Pattern[str]") -> bool:
    return bool(source.lines) and all(pattern.fullmatch(line) for line in source.lines)


def _matches(source: Source, pattern: "re.Pattern[str]") -> list["re.Match[str]"]:
    found = []
    for number, line in enumerate(source.lines, start=1):
        match = pattern.fullmatch(line)
        if match is None:
            raise AnnotationsInvalid(f"{source.name}, line {number}: {line[:80]!r} is no clip of UCF101.")
        found.append(match)
    return found
