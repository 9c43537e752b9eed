"""Ways to store flow and frames: `python -m benchmarks.packs`. Prints a Markdown table.

Clips of UCF101 at 320 x 240, their flow by the `fast` preset. What training reads is two 224 px crops 12 frames apart
and the 24 maps between, at random places; with a warm page cache and on one thread. What lies beyond the bound of 20 px
is left out of the errors; encoding for the pack includes how much moves. The frames are the pack's in all rows. Times
are processor time.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe
from pfa_core.chunk_writer import ChunkWriter
from pfa_core.config.flow import PackConfig, fast
from pfa_core.flow import luma, make_engine
from pfa_core.pack_chunks import Chunks
from pfa_core.pack_format import FLOW, FRAMES, pack_key
from pfa_core.pack_writer import assemble
from pfa_core.packs import Pack
from pfa_core.quantize import dequantize
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.sandbox import TimedFrame

GAP, CROP, BOUND_PX = 12, 224, 20.0
Frames = NDArray[np.uint8]
"""(T, H, W, 3)"""
Flow = NDArray[np.float32]
"""(T - 1, H, W, 2) px"""
Block = Callable[[int, int, int], object]
"""(first, top, left) -> the 24 maps of a crop, of whatever kind the store has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a store of flow with our frames beside it."""

    name: str
    bytes_a_pair: float
    encode_ms: float
    block: Block
    restored: Flow


def measured(frames: Frames) -> Flow:
    engine = make_engine("fused", fast(), size=(frames.shape[1], frames.shape[2]))
    grey = [luma(frame) for frame in frames]
    return np.stack([engine(a, b) for a, b in itertools.pairwise(grey)])


def as_pack(frames: Frames, flow: Flow, folder: Path) -> tuple[Pack, Row, float]:
    """Our pack, its line, and milliseconds to encode a frame."""
    config = PackConfig(tvl1=fast(), backend="fused", bound_px=BOUND_PX)
    chunks = Chunks(folder.with_suffix(".chunks"), key=pack_key("0" * 64, config))
    chunks.resume()
    with ChunkWriter(chunks, config) as writer:
        started = time.process_time()
        for frame in frames:
            writer.add_frame(TimedFrame(frame, None))
        frame_ms = (time.process_time() - started) / len(frames) * 1e3
        started = time.process_time()
        for each in flow:
            writer.add_flow(each)
        pair_ms = (time.process_time() - started) / len(flow) * 1e3
        writer.seal(last=True)
    folder.mkdir()
    for _ in assemble(chunks, folder, config, video_sha256="0" * 64):
        pass
    pack = Pack.open(folder)
    restored = np.stack([dequantize(pack.flow(i), bound_px=BOUND_PX).transpose(1, 2, 0) for i in range(len(flow))])

    def block(first: int, top: int, left: int) -> object:
        return pack.flow_block(first, count=GAP, top=top, left=left, size=CROP)

    return pack, Row("pack: int8, zstd", (folder / FLOW).stat().st_size / len(flow), pair_ms, block, restored), frame_ms


def as_float16(flow: Flow, path: Path) -> Row:
    started = time.process_time()
    store = np.lib.format.open_memmap(path, "w+", np.float16, (len(flow), 2, *flow.shape[1:3]))
    for i, each in enumerate(flow):
        store[i] = each.transpose(2, 0, 1)
    ms = (time.process_time() - started) / len(flow) * 1e3
    kept = np.load(path, mmap_mode="r")

    def block(first: int, top: int, left: int) -> object:
        maps = kept[first : first + GAP, :, top : top + CROP, left : left + CROP]
        return maps.transpose(1, 0, 2, 3).reshape(2 * GAP, CROP, CROP)

    restored = kept.astype(np.float32).transpose(0, 2, 3, 1)
    return Row("float16 memmap", path.stat().st_size / len(flow), ms, block, restored)


def as_jpeg(flow: Flow) -> Row:
    """The usual practice: -20..20 px onto 0..255, a grey JPEG (q95) per component."""
    started = time.process_time()
    items = []
    for each in flow:
        codes = np.rint((np.clip(each, -BOUND_PX, BOUND_PX) + BOUND_PX) * (255 / (2 * BOUND_PX))).astype(np.uint8)
        pair = [cv2.imencode(".jpg", codes[..., k], [cv2.IMWRITE_JPEG_QUALITY, 95])[1] for k in range(2)]
        items.append(pair)
    ms = (time.process_time() - started) / len(flow) * 1e3

    def read(i: int) -> NDArray[np.uint8]:
        return np.stack([np.asarray(cv2.imdecode(item, cv2.IMREAD_GRAYSCALE), np.uint8) for item in items[i]])

    def block(first: int, top: int, left: int) -> object:
        maps = np.stack([read(first + k)[:, top : top + CROP, left : left + CROP] for k in range(GAP)], axis=1)
        return maps.reshape(2 * GAP, CROP, CROP)

    restored = np.stack([read(i).transpose(1, 2, 0) for i in range(len(flow))]).astype(np.float32)
    restored = restored * np.float32(2 * BOUND_PX / 255) - np.float32(BOUND_PX)
    return Row("JPEG q95", float(np.mean([sum(len(x) for x in pair) for pair in items])), ms, block, restored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--samples", type=int, default=100)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("| clip | flow as | bytes a pair | of float16 | encode, ms | block, ms | samples/s | RMS, px | max, px |")
    print("|---|---|---|---|---|---|---|---|---|")
    frame_bytes = []
    for clip in sorted((options.data / "videos" / "ucf101_samples").rglob("*g*_c01.avi")):
        frames = np.stack(list(read_frames(clip, limits=DecodeLimits(), short_side_px=240)))[:100]
        flow = measured(frames)
        with tempfile.TemporaryDirectory() as name:
            pack, ours, frame_ms = as_pack(frames, flow, Path(name) / "pack")
            frame_bytes.append(f"{(pack.folder / FRAMES).stat().st_size / len(frames):.0f} bytes, {frame_ms:.2f} ms")
            rows = [as_float16(flow, Path(name) / "f16.npy"), ours, as_jpeg(flow)]
            for row in rows:
                print(
                    f"| {clip.stem.removeprefix('v_')} " + line(row, rows[0], pack, flow, options.samples), flush=True
                )
    print(f"\nA frame as JPEG q95, and its encoding: {'; '.join(frame_bytes)}.\n\n{describe()}")


def line(row: Row, plain: Row, pack: Pack, flow: Flow, samples: int) -> str:
    """The cells of a store, after `samples` random reads."""
    rng = np.random.default_rng(0)
    height, width = pack.size
    block_s = sample_s = 0.0
    for _ in range(samples):
        first = int(rng.integers(pack.num_frames - GAP))
        top, left = int(rng.integers(height - CROP + 1)), int(rng.integers(width - CROP + 1))
        started = time.process_time()
        row.block(first, top, left)
        block_s += time.process_time() - started
        for index in (first, first + GAP):
            pack.frame(index)[top : top + CROP, left : left + CROP].copy()
        sample_s += time.process_time() - started
    error = np.clip(row.restored, -BOUND_PX, BOUND_PX).astype(np.float64) - np.clip(flow, -BOUND_PX, BOUND_PX)
    share = row.bytes_a_pair / plain.bytes_a_pair
    return (
        f"| {row.name} | {row.bytes_a_pair:.0f} | {share:.3f} | {row.encode_ms:.2f} | {block_s / samples * 1e3:.2f} "
        f"| {samples / sample_s:.0f} | {np.sqrt((error**2).mean()):.4f} | {np.abs(error).max():.3f} |"
    )


if __name__ == "__main__":
    main()
