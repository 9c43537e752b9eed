"""`pfa retrieve`: the nearest poses in a gallery folder, without a service."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from pfa.console import announce, or_fail, out
from pfa.front import HELP
from pfa.index_cli import VIDEOS, model_key
from pfa_core.contact_sheet import contact_sheet
from pfa_core.errors import ConfigInvalid, VideoTooShort
from pfa_core.gallery_edit import need_model
from pfa_core.gallery_item import ItemFilter
from pfa_core.images import read_image, write_png
from pfa_core.people import Box
from pfa_core.predict import FeatureExtractor
from pfa_core.retrieval import GalleryIndex, Neighbour
from pfa_core.video.decode import read_from
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)
Image = NDArray[np.uint8]


@app.command(name="pfa retrieve")
def retrieve(
    gallery: Annotated[Path, typer.Argument(help="A gallery folder, made by pfa index", exists=True)],
    query: Annotated[Path, typer.Argument(help="An image, or a video with --frame or --time-s", exists=True)],
    *,
    model: Annotated[Path, typer.Option(help="The model folder that the gallery was made with", exists=True)],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours")] = 10,
    box: Annotated[str | None, typer.Option(help="x,y,width,height of the person in px")] = None,
    frame: Annotated[int | None, typer.Option(min=0, help="Number of the video's frame, from 0")] = None,
    time_s: Annotated[float | None, typer.Option(min=0, help="Time in the video, s")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only items with this label; may be given again")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only items of this file; may be given again")] = None,
    exact: Annotated[bool, typer.Option(help="Search large galleries exactly too")] = False,
    verify: Annotated[bool, typer.Option(help="Compare the whole gallery with its checksums first")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Draw the answer into this PNG")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Find the items of a gallery whose poses are nearest to that of an image or of a frame of a video."""

    def run() -> None:
        index = GalleryIndex.load(gallery, verify=verify)
        extractor = FeatureExtractor.load(model)
        need_model(index.manifest, model=model_key(model), num_features=extractor.num_features)
        image = picture_of(query, frame=frame, time_s=time_s, short_side_px=extractor.config.net.crop_px)
        feature = extractor(image, box=box_of(box))
        among = ItemFilter(labels=tuple(label or ()), sources=tuple(source or ()))
        (found,) = index.search(feature[None], k=k, among=among, exact=exact)
        if sheet is not None:
            sheet.write_bytes(write_png(drawn(image, found, index)))
            announce(f"drawn: {sheet}")
        if as_json:
            print(json.dumps([{**asdict(one.item), "id": one.id, "distance": one.distance} for one in found]))
        else:
            out.print(table_of(found))

    or_fail(run)


def picture_of(query: Path, *, frame: int | None, time_s: float | None, short_side_px: int) -> Image:
    """(H, W, 3) uint8 RGB.

    Raises:
        ConfigInvalid: an image with a frame or a time, or a video without.
        InputError: it does not read.
    """
    limits = DecodeLimits()
    if query.suffix.lower() not in VIDEOS:
        if frame is not None or time_s is not None:
            raise ConfigInvalid("--frame and --time-s are for videos.")
        return read_image(query.read_bytes(), max_pixels=limits.max_pixels)
    if (frame is None) == (time_s is None):
        raise ConfigInvalid("Say which frame of the video: --frame or --time-s.")
    wanted = frame if time_s is None else round(time_s * probe(query, limits=limits).fps)
    assert wanted is not None
    with closing(read_from(query, wanted, limits=limits, short_side_px=short_side_px)) as frames:
        for found in frames:
            return found.pixels
    raise VideoTooShort(num_frames=wanted, needed=wanted + 1)


def box_of(text: str | None) -> Box | None:
    """Raises: ConfigInvalid: not four numbers."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigInvalid(f"--box wants x,y,width,height, not {text!r}.") from error
    return (x, y, width, height)


def drawn(image: Image, found: Sequence[Neighbour], index: GalleryIndex) -> Image:
    """The answer as a picture."""
    cells: list[tuple[Image | None, str]] = []
    for one in found:
        jpeg = index.thumbnail(one.id)
        picture = None if jpeg is None else read_image(jpeg, max_pixels=10**6)
        cells.append((picture, f"{one.distance:.3g} {one.item.label or ''}"))
    return contact_sheet(image, cells)


def table_of(found: Sequence[Neighbour]) -> Table:
    table = Table("id", "distance", "file", "frame", "time, s", "label")
    for one in found:
        item = one.item
        table.add_row(
            str(one.id),
            f"{one.distance:.4g}",
            item.source,
            "" if item.frame is None else str(item.frame),
            "" if item.time_s is None else f"{item.time_s:.2f}",
            item.label or "",
        )
    return table


if __name__ == "__main__":
    app()
