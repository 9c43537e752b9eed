"""The annotation formats: which of them a file is, by its content, and the reader of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pfa_core.annotations import read_label_csv, read_pose_json
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.flic import is_flic, read_flic, read_flic_29
from pfa_core.importers.hmdb51 import is_hmdb51, read_hmdb51
from pfa_core.importers.imported import Imported, overlap_warnings
from pfa_core.importers.jhmdb import is_jhmdb, read_jhmdb
from pfa_core.importers.lsp import is_lsp, is_lspet, read_lsp, read_lspet
from pfa_core.importers.mpii import is_mpii, read_mpii
from pfa_core.importers.source import Source
from pfa_core.importers.ucf101 import is_ucf101, read_ucf101
from pfa_core.importers.voc_action import is_voc_action, read_voc_action

MAX_BYTES = 512 * 2**20
"""All annotation files together."""
FOLDERS = "folders"
"""The format without a file: a folder a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way to write annotations down."""

    name: str
    meaning: str
    recognises: Callable[[Source], bool] | None
    """Whether a file is of this format; None: it has to be named."""
    read: Callable[[Sequence[Source]], Imported]


def detect(sources: Sequence[Source]) -> Format:
    """The format that all the files are of.

    Raises:
        AnnotationsInvalid: no format, or several; or a file of a format that does not read.
    """
    found = {source.name: _detect_one(source) for source in sources}
    formats = {known.name: known for known in found.values()}
    if len(formats) > 1:
        told = "; ".join(f"{name}: {known.name}" for name, known in list(found.items())[:5])
        raise AnnotationsInvalid(f"The annotation files are of several formats ({told}). Send those of one.")
    return next(iter(formats.values()))


def read_annotations(sources: Sequence[Source], *, format_name: str | None = None) -> Imported:
    """Read the annotation files of a data set.

    Args:
        sources: one or more files of one format.
        format_name: one of FORMATS; None: found out from the content.

    Raises:
        AnnotationsInvalid: they do not read, or not as this format; the message says what is wrong and where.
    """
    if not sources:
        raise AnnotationsInvalid("There is no annotation file.")
    if sum(len(source.data) for source in sources) > MAX_BYTES:
        raise AnnotationsInvalid(f"The annotations are larger than {MAX_BYTES} bytes.")
    return (detect(sources) if format_name is None else named(format_name)).read(sources)


def named(name: str) -> Format:
    """The format of this name. Raises: AnnotationsInvalid: there is none."""
    for known in FORMATS:
        if known.name == name:
            return known
    raise AnnotationsInvalid(f"There is no format {name!r}; there are: {', '.join(FORMAT_NAMES)}.")


def _detect_one(source: Source) -> Format:
    for known in FORMATS:
        if known.recognises is not None and known.recognises(source):
            return known
    if source.is_mat:
        held = ", ".join(source.mat) or "none"
        raise AnnotationsInvalid(
            f"{source.name}: no known data set has these variables: {held}. Known are `examples` (FLIC), `joints`"
            " (LSP, LSP-Extended), `RELEASE` (MPII) and `pos_img` (JHMDB)."
        )
    return named("csv")  # its reader says what is missing


def _people_json(sources: Sequence[Source]) -> Imported:
    people = read_pose_json(_only(sources).data)
    return Imported(people=people, warnings=tuple(overlap_warnings(people.people)))


def _label_csv(sources: Sequence[Source]) -> Imported:
    labels = read_label_csv(_only(sources).data)
    return Imported(labels=tuple(labels), warnings=tuple(overlap_warnings(labels)))


def _only(sources: Sequence[Source]) -> Source:
    if len(sources) != 1:
        raise AnnotationsInvalid(f"This format has one file; {len(sources)} were given.")
    return sources[0]


def _is_coco(source: Source) -> bool:
    return source.is_json and {"images", "categories"} <= set(source.json)


def _is_native(source: Source) -> bool:
    return source.is_json


FORMATS: tuple[Format, ...] = (
    Format(name="flic", meaning="FLIC `examples.mat`, its nine scored joints", recognises=is_flic, read=read_flic),
    Format(name="flic-29", meaning="FLIC `examples.mat`, all its joints", recognises=None, read=read_flic_29),
    Format(name="lsp", meaning="Leeds Sports Pose `joints.mat`", recognises=is_lsp, read=read_lsp),
    Format(name="lspet", meaning="LSP-Extended `joints.mat`", recognises=is_lspet, read=read_lspet),
    Format(name="mpii", meaning="MPII Human Pose `.mat` release", recognises=is_mpii, read=read_mpii),
    Format(name="jhmdb", meaning="JHMDB `joint_positions.mat` a clip", recognises=is_jhmdb, read=read_jhmdb),
    Format(name="coco", meaning="COCO keypoints JSON", recognises=_is_coco, read=_people_json),
    Format(name="native", meaning="Native pose JSON", recognises=_is_native, read=_people_json),
    Format(
        name="voc-action", meaning="PASCAL VOC action XML and lists", recognises=is_voc_action, read=read_voc_action
    ),
    Format(name="ucf101", meaning="UCF101 train, test and class lists", recognises=is_ucf101, read=read_ucf101),
    Format(name="hmdb51", meaning="HMDB51 `<class>_test_split1.txt`", recognises=is_hmdb51, read=read_hmdb51),
    Format(name="csv", meaning="CSV `file,label,group,split`", recognises=None, read=_label_csv),
)
"""Every format that has files, in the order in which they are asked."""
FORMAT_NAMES = (*(known.name for known in FORMATS), FOLDERS)
