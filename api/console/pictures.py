"""Pictures that pages show: a frame of a video, a frame of its pack, and the flow between two frames in colours."""

import contextlib
from pathlib import Path

from api.errors import RequestInvalid
from pfa_core.errors import PackDamaged, VideoUnreadable
from pfa_core.flow_colours import flow_colours
from pfa_core.images import write_jpeg, write_png
from pfa_core.mapped_format import is_mapped
from pfa_core.pack_reader import Pack
from pfa_core.quantize import dequantize
from pfa_core.video.decode import read_frames
from pfa_store.disk import disk_errors
from pfa_store.store import Store
from pfa_store.videos import Video

THUMBNAIL_PX = 160
"""Its shorter side."""
LEAST_FULL_PX = 1.0
"""Motion of a full colour is at least this long, or noise would look like motion."""


def thumbnail(store: Store, video: Video) -> bytes:
    """A frame from the first second as JPEG: decoded in the sandbox once, then kept until the video goes.

    Raises:
        InputError: it does not decode any more.
    """
    kept = store.files.thumbnail(video.sha256)
    with disk_errors(), contextlib.suppress(FileNotFoundError):
        return kept.read_bytes()
    wanted = min(video.num_frames - 1, round(video.fps))
    indices = sorted({0, max(0, wanted)})
    with contextlib.closing(
        read_frames(store.videos.path(video), limits=store.videos.limits, short_side_px=THUMBNAIL_PX, indices=indices)
    ) as frames:
        last = None
        for frame in frames:
            last = frame
    if last is None:
        raise VideoUnreadable(f"No frame of {video.filename!r} decodes.")
    jpeg = write_jpeg(last, quality=80)
    store.files.write_atomic(kept, jpeg)
    return jpeg


def pack_of(store: Store, video: Video) -> Pack | None:
    """The newest pack of a video that reads; None: no job has measured its flow."""
    with disk_errors():
        folder = store.files.packs_of(video.sha256)
        found = [path for path in folder.iterdir() if _is_pack(path)] if folder.is_dir() else []
        newest_first = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first:
        with contextlib.suppress(PackDamaged):
            return Pack.open(path, verify=False)
    return None


def _is_pack(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and not is_mapped(path)


def full_colour_px(pack: Pack) -> float:
    """The motion that is drawn in a full colour: the same for all frames of a video, so that they can be compared.

    Twice the strongest motion of the average frame: half the frames have more, few have twice as much.
    """
    return max(LEAST_FULL_PX, 2 * pack.motion_px)


def flow_png(pack: Pack, index: int) -> bytes:
    """The flow from frame `index` to the next. Raises: RequestInvalid: there is none; PackDamaged."""
    _need(index, pack.num_frames - 1)
    flow_px = dequantize(pack.flow(index), bound_px=pack.bound_px).transpose(1, 2, 0)  # (H, W, 2)
    return write_png(flow_colours(flow_px, longest_px=full_colour_px(pack)))


def frame_jpeg(pack: Pack, index: int) -> bytes:
    """Frame `index` at working size. Raises: RequestInvalid: there is none; PackDamaged."""
    _need(index, pack.num_frames)
    return write_jpeg(pack.frame(index), quality=90)


def _need(index: int, count: int) -> None:
    if not 0 <= index < count:
        raise RequestInvalid(f"There are {count}, numbered from 0; {index} is none of them.", field="index")
