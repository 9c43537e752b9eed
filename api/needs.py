"""What a job needs of a data set."""

from collections.abc import Sequence

from pfa_core.errors import DatasetUnsuitable
from pfa_store.datasets import Dataset, DatasetItem


def need_joints(dataset: Dataset, items: Sequence[DatasetItem], *, known: Sequence[str] | None = None) -> None:
    """Check that some joint (one of `known`, where given) is labelled on someone."""
    for item in items:
        for joint, point in ((item.person or {}).get("joints") or {}).items():
            if point[2] > 0 and (known is None or joint in known):
                return
    which = "labelled joints" if known is None else f"labelled joints among {', '.join(known)}"
    raise DatasetUnsuitable(
        f"The data set {dataset.name!r} has no {which}. Send images with pose `annotations`"
        " (native JSON, COCO keypoints, FLIC, LSP, MPII or JHMDB)."
    )
