"""`pfa index`: a gallery of images and video frames in a folder, without a service."""

import hashlib
import json
import uuid
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, or_fail, out
from pfa.front import HELP
from pfa.pretrain_cli import attended
from pfa_core.errors import DatasetUnsuitable
from pfa_core.gallery import GallerySource, fill_segment
from pfa_core.gallery_edit import editing, need_model
from pfa_core.gallery_format import MANIFEST, GalleryManifest, read_manifest
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.left_out import LeftOut
from pfa_core.models import WEIGHTS
from pfa_core.models import read_manifest as read_model
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress
from pfa_core.retrieval import GalleryIndex

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi")

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)
Found = tuple[GalleryManifest, list[LeftOut]]


@app.command(name="pfa index")
def index(
    sources: Annotated[list[Path], typer.Argument(help="Images, videos, or folders of them", exists=True)],
    *,
    model: Annotated[Path, typer.Option(help="A model folder; not of a pose model, which has no fc6", exists=True)],
    gallery: Annotated[Path, typer.Option("--out", help="The gallery folder; what it holds stays")] = Path("gallery"),
    every_frames: Annotated[int, typer.Option(min=1, help="Videos: take one frame in so many")] = 5,
    folder_labels: Annotated[bool, typer.Option(help="Label each file by the folder that it lies in")] = False,
    replace: Annotated[bool, typer.Option(help="What the gallery held goes; it may get another model")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Make a gallery of poses, or add to one, for `pfa retrieve`. Ctrl-C stops; the same command goes on from there."""

    def run() -> None:
        listed = sources_of(sources, folder_labels=folder_labels)
        steps = indexed(listed, model=model, gallery=gallery, every_frames=every_frames, replace=replace)
        manifest, left_out = attended(steps)
        if as_json:
            missing = [{"file": one.name, "code": one.code, "message": one.message} for one in left_out]
            print(json.dumps({"gallery": str(gallery), "items": manifest.num_items, "left_out": missing}))
            return
        for one in left_out:
            announce(f"left out: {one.name}: {one.message}")
        out.print(f"{gallery}: {manifest.num_items} items", markup=False, highlight=False)
        out.print(f"Next: pfa retrieve {gallery} image.jpg --model {model}", markup=False, highlight=False)

    or_fail(run)


def sources_of(paths: Sequence[Path], *, folder_labels: bool) -> list[GallerySource]:
    """Every image and video, those of folders by name.

    Raises:
        DatasetUnsuitable: there is none.
    """
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    media = [file for file in files if file.suffix.lower() in (*IMAGES, *VIDEOS) and not file.name.startswith(".")]
    if not media:
        raise DatasetUnsuitable("There are no images and no videos: JPEG, PNG, WebP, MP4, MOV, MKV, WebM or AVI.")
    return [
        GallerySource(
            source=str(file),
            name=file.name,
            path=file,
            still=file.suffix.lower() in IMAGES,
            label=file.resolve().parent.name if folder_labels else None,
        )
        for file in dict.fromkeys(media)
    ]


def model_key(folder: Path) -> str:
    """What tells a model from others, wherever it lies. Raises: ModelDamaged."""
    return f"sha256:{read_model(folder, verify=False).files[WEIGHTS]}"


def indexed(
    sources: Sequence[GallerySource], *, model: Path, gallery: Path, every_frames: int, replace: bool
) -> Generator[Progress, None, Found]:
    """Fill a segment and append it; an interrupted one is gone on with where the same is asked for again.

    Raises:
        ModelUnsuitable: the gallery holds features of another model; or the model has no fc6.
        DatasetUnsuitable: not one source reads.
    """
    extractor, key = FeatureExtractor.load(model), model_key(model)
    known: frozenset[tuple[object, ...]] = frozenset()
    if (gallery / MANIFEST).exists() and not replace:
        need_model(read_manifest(gallery), model=key, num_features=extractor.num_features)
        known = frozenset(GalleryIndex.load(gallery).keys(None))
    asked = json.dumps(
        [key, every_frames, replace, [[one.source, one.label, one.path.stat().st_mtime_ns] for one in sources]]
    )
    work = gallery / "unfinished" / hashlib.sha256(asked.encode()).hexdigest()[:16]
    with SegmentWriter(work, num_features=extractor.num_features) as writer:
        left_out = yield from fill_segment(writer, sources, extractor, every_frames=every_frames, known=known)
        with editing(gallery, anew=replace) as edit:
            edit.append(writer, key=uuid.uuid4().hex, model=key, num_features=extractor.num_features, replaces=replace)
            return edit.publish(), left_out


if __name__ == "__main__":
    app()
