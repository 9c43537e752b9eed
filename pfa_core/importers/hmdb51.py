"""HMDB51: `<class>_test_split1.txt`, lines of a clip and 0 (unused), 1 (training) or 2 (test). Source: Kuehne et al.
2011.

The class is in the name of the split file alone. Clips that a split does not use get no label, so that no job learns
from them. Clips of one source video (the part of the name before the class) are one group.
"""

import re
from collections.abc import Sequence

from pfa_core.annotations import FileLabel, relative_name
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.imported import Imported, overlap_warnings
from pfa_core.importers.source import Source

_LINE = re.compile(r"(?P<clip>\S.*\.avi)\s+(?P<use>[012])", re.IGNORECASE)
_NAME = re.compile(r"(?P<label>.+)_test_split(?P<split>\d+)\.txt", re.IGNORECASE)
_SPLITS = {"1": "train", "2": "test"}


def is_hmdb51(source: Source) -> bool:
    """Whether every line is a clip and 0, 1 or 2."""
    return bool(source.lines) and "/" not in source.lines[0] and all(_LINE.fullmatch(line) for line in source.lines)


def read_hmdb51(sources: Sequence[Source]) -> Imported:
    """Raises: AnnotationsInvalid."""
    numbers = set()
    labels: list[FileLabel] = []
    for source in sources:
        name = _NAME.fullmatch(source.parts[-1] if source.parts else "")
        if name is None:
            raise AnnotationsInvalid(f"{source.name}: the class is unknown; name the file <class>_test_split1.txt.")
        numbers.add(name["split"])
        labels += _labels(source, label=name["label"])
    if len(numbers) > 1:
        raise AnnotationsInvalid(f"These are several splits ({', '.join(sorted(numbers))}); send one of them.")
    if len({label.file for label in labels}) < len(labels):
        raise AnnotationsInvalid("A clip is named twice; send each split file once.")
    return Imported(labels=tuple(labels), warnings=tuple(overlap_warnings(labels)))


def source_video(clip: str, *, label: str) -> str:
    """What the clip was cut from: `April_09_brush_hair_u_nm_np1_ba_goo_0.avi` -> `April_09`, within its class."""
    before = re.sub(rf"_{re.escape(label)}_.*|_\d+(\.avi)?$", "", clip)
    return f"{label}/{before}"


def _labels(source: Source, *, label: str) -> list[FileLabel]:
    found = []
    for number, line in enumerate(source.lines, start=1):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise AnnotationsInvalid(
                f"{source.name}, line {number}: a clip and 0, 1 or 2 are needed, not {line[:80]!r}."
            )
        if parts["use"] in _SPLITS:
            file = relative_name(parts["clip"])
            found.append(
                FileLabel(file=file, label=label, group=source_video(file, label=label), split=_SPLITS[parts["use"]])
            )
    return found
