"""What the decoding process can be asked: to describe a video, or to send its frames."""

import os
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from pfa_core.errors import VideoUnreadable, VideoUnsupported
from pfa_core.video.decoder import check_cap, duration_s, frames, opened, quarter_turns, square_size
from pfa_core.video.entry import later_frames
from pfa_core.video.wire import FRAME, FRAME_HEAD, NO_TIME, RECORD, FrameHead, Request

PROBE_FRAMES = 256
"""How many frames `probe` decodes."""
THUMB_PX = 32
"""Side of the grey thumbnails in which `probe` looks for motion."""
STILL_LEVELS = 4
"""Grey levels by which a thumbnail's cell may waver without counting as motion: coding noise."""


def answer(request: Request, out: int) -> dict[str, Any]:
    """Do what is asked; frames go to the pipe `out`, the rest is returned.

    Raises:
        VideoUnsupported: no video stream, or one that this FFmpeg cannot decode.
        VideoUnreadable: damaged, or nothing in it decodes.
        VideoTooLarge: over a cap.
    """
    av.logging.set_level(None)
    try:
        with opened(request) as (container, stream):
            if request.action == "probe":
                return probe(container, stream, request)
            if request.first_frame:
                return send_later_frames(container, stream, request, out)
            return send_frames(container, stream, request, out)
    except av.error.MemoryError as error:
        raise MemoryError from error
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise VideoUnsupported(
            f"The video's coding is not supported: {error.strerror}. Encode it anew, as H.264 say."
        ) from error
    except av.FFmpegError as error:
        raise VideoUnreadable(f"The video is damaged: {error.strerror}. Send an intact copy.") from error


def scaled_size(frame: VideoFrame, stream: VideoStream, request: Request) -> tuple[int, int]:
    """(H, W) with square pixels, after scaling the shorter side to `short_side_px`, before rotation.

    Raises:
        VideoTooLarge: a frame so long and thin that it is over the cap when scaled.
    """
    height, width = square_size(frame, stream)
    if request.short_side_px is not None:
        scale = request.short_side_px / min(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    check_cap("pixels a frame once scaled", height * width, request.max_pixels)
    return height, width


def send_frames(container: InputContainer, stream: VideoStream, request: Request, out: int) -> dict[str, Any]:
    """Write the frames that are wanted as RGB records. One reformatter is kept: making one per frame costs 15 times."""
    reformatter = VideoReformatter()
    wanted = None if request.indices is None else set(request.indices)
    last = None if request.indices is None else max(request.indices, default=-1)
    size: tuple[int, int] | None = None
    count = 0
    if last == -1:
        return {"num_frames": 0}
    for index, frame in enumerate(frames(container, stream, request)):
        count = index + 1
        if index in wanted if wanted is not None else index % request.every_frames == 0:
            size = size or scaled_size(frame, stream, request)  # the first frame's, should the size change midway
            send_frame(out, to_rgb(reformatter, frame, size), like=frame)
        if index == last:
            break
    return {"num_frames": count}


def send_later_frames(container: InputContainer, stream: VideoStream, request: Request, out: int) -> dict[str, Any]:
    """Write the frames from `first_frame` on, each as `send_frames` would."""
    size = scaled_size(next(frames(container, stream, request)), stream, request)
    reformatter = VideoReformatter()
    for frame in later_frames(request):
        send_frame(out, to_rgb(reformatter, frame, size), like=frame)
    return {}


def to_rgb(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """Scale to `size` (H, W) and convert to RGB: area averages when shrinking, bicubic when enlarging."""
    shrinks = size[0] < frame.height
    return reformatter.reformat(
        frame,
        width=size[1],
        height=size[0],
        format="rgb24",
        interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
        threads=1,
    )


def send_frame(out: int, frame: VideoFrame, *, like: VideoFrame) -> None:
    """Write one record: the plane as it lies in memory, with its line padding, which the parent cuts off.

    `like`: the frame as it was decoded, which knows its rotation and its time.
    """
    plane = frame.planes[0]
    time = NO_TIME if like.pts is None else like.pts
    head = FRAME_HEAD.pack(*FrameHead(frame.height, frame.width, plane.line_size, quarter_turns(like), time))
    pixels = memoryview(plane)[: plane.line_size * frame.height]
    parts = [memoryview(RECORD.pack(FRAME, len(head) + len(pixels)) + head), pixels]
    while parts:
        written = os.writev(out, parts)
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if parts:
            parts[0] = parts[0][written:]


def probe(container: InputContainer, stream: VideoStream, request: Request) -> dict[str, Any]:
    """Count the packets, decode the first frames, and look whether anything moves in them."""
    decoded_frames = 0
    moves = False
    reformatter = VideoReformatter()
    first: VideoFrame | None = None
    reference = b""
    for frame in frames(container, stream, request):
        decoded_frames += 1
        if first is None:
            first = frame
        if not moves:
            thumb = thumbnail(reformatter, frame)
            reference = reference or thumb
            moves = any(abs(a - b) > STILL_LEVELS for a, b in zip(reference, thumb, strict=True))
        if decoded_frames == PROBE_FRAMES:
            break
    assert first is not None  # `frames` raises when there is none
    whole = decoded_frames < PROBE_FRAMES
    num_frames = decoded_frames if whole else max(decoded_frames, count_packets(container, stream, request))
    return describe(
        container, stream, first, num_frames=num_frames, still=False if moves else (True if whole else None)
    )


def thumbnail(reformatter: VideoReformatter, frame: VideoFrame) -> bytes:
    """THUMB_PX squared grey levels, averaged over the frame."""
    small = reformatter.reformat(
        frame, width=THUMB_PX, height=THUMB_PX, format="gray", interpolation=Interpolation.AREA, threads=1
    )
    plane = small.planes[0]
    lines = bytes(plane)
    return b"".join(lines[y * plane.line_size :][:THUMB_PX] for y in range(THUMB_PX))


def count_packets(container: InputContainer, stream: VideoStream, request: Request) -> int:
    """How many frames the container holds, without decoding them."""
    container.seek(0)
    count = 0
    for packet in container.demux(stream):
        count += packet.size > 0 and not packet.is_discard
        check_cap("frames or more", count, request.max_frames)
    return count


def describe(
    container: InputContainer, stream: VideoStream, frame: VideoFrame, *, num_frames: int, still: bool | None
) -> dict[str, Any]:
    """VideoInfo's fields, less the container's name."""
    turns = quarter_turns(frame)
    height, width = square_size(frame, stream)
    upright = (width, height) if turns % 2 == 0 else (height, width)
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    seconds = duration_s(container, stream) or (num_frames / fps if fps else 0.0)
    return {
        "codec": stream.codec_context.name,
        "width_px": upright[0],
        "height_px": upright[1],
        "rotation_deg": -90 * turns % 360,
        "num_frames": num_frames,
        "fps": fps or (num_frames / seconds if seconds else 0.0),
        "duration_s": seconds,
        "still": still,
    }
