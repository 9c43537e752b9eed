"""Whether data sets can be compared by: each needs items to train on and items to test on."""

from collections.abc import Sequence

from api.needs import need_joints
from pfa_core.errors import DatasetUnsuitable
from pfa_store.datasets import Dataset, DatasetItem
from pfa_store.specs import TablesSpec
from pfa_store.store import Store


def check_compared(spec: TablesSpec, store: Store) -> None:
    """Raises: DatasetUnsuitable: no set, one that is named twice, or one without items to train or to test on."""
    if not (spec.pose or spec.action or spec.static):
        raise DatasetUnsuitable("There is nothing to compare by: name data sets in `pose`, `action` or `static`.")
    for refs in (spec.pose, spec.action, spec.static):
        datasets = [store.datasets.get(ref) for ref in refs]
        if len({dataset.id for dataset in datasets}) != len(datasets):
            raise DatasetUnsuitable(f"A data set is named twice: {', '.join(refs)}.")
        for dataset in datasets:
            items = store.datasets.items(dataset.id)
            trained = [item for item in items if item.split in (None, "train")]
            tested = [item for item in items if item.split == "test"]
            if refs is spec.pose:
                need_joints(dataset, trained)
                need_joints(dataset, tested)
            else:
                _need_labels(dataset, trained, tested)


def _need_labels(dataset: Dataset, trained: Sequence[DatasetItem], tested: Sequence[DatasetItem]) -> None:
    labels = {item.label for item in trained if item.label is not None}
    if len(labels) < 2 or not any(item.label in labels for item in tested):
        raise DatasetUnsuitable(
            f"The data set {dataset.name!r} needs two labels to train on and an item of split 'test' that has one of"
            " them. Say in `annotations` what is test, such as CSV `file,label,group,split`."
        )
