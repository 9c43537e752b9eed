"""Models that leave and arrive, and the figure of their closest pairs. Call from threads."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, mkdtemp

from api.archives import ArchiveLimits, is_archive, unpack
from api.errors import PairsNotFound
from pfa_core.errors import DatasetUnsuitable, ModelUnreadable
from pfa_core.gallery_pairs import gallery_pairs_png
from pfa_core.manifest import Manifest
from pfa_core.model_export import ExportFormat, export_model
from pfa_core.model_import import import_folder, import_weights
from pfa_core.models import FILES
from pfa_core.retrieval import GalleryIndex
from pfa_core.vggm_weights import VggmInput
from pfa_store.collections import Collection
from pfa_store.disk import disk_errors
from pfa_store.files import Files
from pfa_store.models import ModelVersion
from pfa_store.store import Store

MAX_MEMBERS = 16
"""Files in the archive of a model folder: five, and a few that are not needed."""
SUFFIXES: dict[ExportFormat, str] = {"onnx": ".onnx", "safetensors": ".safetensors", "folder": ".zip"}


def exported(store: Store, model: ModelVersion, form: ExportFormat) -> Path:
    """A file with the model, in a new folder of the data folder that the caller removes.

    Raises:
        DiskFull: the reserve of free space would be used up.
        ModelDamaged, ModelUnsuitable: see `export_model`.
    """
    folder = store.models.folder(model)
    with disk_errors():
        store.files.ensure_space(sum(path.stat().st_size for path in folder.iterdir() if path.is_file()))
        scratch = Path(mkdtemp(prefix="export-", dir=store.files.root / "tmp"))
    try:
        out = scratch / f"{model.name}-{model.version}{SUFFIXES[form]}"
        with disk_errors():
            export_model(folder, out, form=form)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return out


@contextmanager
def imported(
    content: Path, *, config: bytes | None, vggm: VggmInput, files: Files, max_bytes: int
) -> Iterator[tuple[Path, Manifest]]:
    """A model folder of a .zip archive or of a safetensors file; it goes at the end unless it was moved away.

    Raises:
        ArchiveInvalid, PayloadTooLarge, DiskFull: from the archive.
        ModelUnreadable: what arrived is no model that can be used.
    """
    with TemporaryDirectory(prefix="import-", dir=files.root / "tmp") as scratch:
        out, inside = Path(scratch) / "model", Path(scratch) / "inside"
        with content.open("rb") as file:
            packed = is_archive(file.read(4))
        with disk_errors():
            if packed:
                inside.mkdir()
                _unpacked(content, inside, files=files, max_bytes=max_bytes)
                manifest = import_folder(inside, out)
            else:
                files.ensure_space(content.stat().st_size)
                manifest = import_weights(content, out, config=config, vggm=vggm)
        yield out, manifest


def _unpacked(archive: Path, folder: Path, *, files: Files, max_bytes: int) -> None:
    """The files of a model, which lie side by side in the archive, into `folder`."""
    limits = ArchiveLimits(max_members=MAX_MEMBERS, max_total_bytes=max_bytes, max_member_bytes=max_bytes)
    for member in unpack(archive, folder, limits=limits, require_space=files.ensure_space):
        name = PurePosixPath(member.name).name
        if name not in FILES:
            continue
        if (folder / name).exists():
            raise ModelUnreadable(f"The archive has {name} more than once; send one model at a time.")
        member.path.rename(folder / name)


def closest_pairs_png(store: Store, model: ModelVersion) -> bytes:
    """The closest pairs of the newest collection that holds the model's features.

    Raises:
        PairsNotFound: there is none with two pictures.
        IndexDamaged: its index does not read.
    """
    made = [one for one in store.collections.list() if one.model == model.ref]
    for folder in _folders(store, sorted(made, key=lambda one: -one.created_s)):
        try:
            return gallery_pairs_png(GalleryIndex.load(folder))
        except DatasetUnsuitable:
            continue
    raise PairsNotFound(
        f"No collection holds pictures with features of {model.ref}, so that there are no pairs to draw. Fill one with"
        " POST /jobs/index and this model."
    )


def _folders(store: Store, made: Iterable[Collection]) -> Iterator[Path]:
    for collection in made:
        folder = store.collections.folder(collection)
        if folder is not None:
            yield folder
