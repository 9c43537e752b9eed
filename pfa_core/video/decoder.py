"""Opening and decoding, inside the decoding process: FFmpeg through PyAV. Never import this where it matters.

Damage: a packet that does not decode, or that its container cut short, ends the video. The frames before it are sent
first; the record that follows says VideoUnreadable. Nothing is skipped silently, so frame i and frame i + 12 are
always 12 frames apart. A file that ends early without a torn packet (Matroska can) is a shorter video.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pfa_core.errors import VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video.wire import Request

MAX_PIXEL_ASPECT = 4.0
"""Widescreen DVDs and anamorphic film stay below 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key frame at which decoding can begin."""

    packet: int = 0
    """How many packets come before its own."""
    frame: int = 0
    """How many frames are shown before it."""
    time: int | None = None
    """When it is shown; what is shown earlier does not decode whole. None: it is the video's first packet."""


BEGINNING = Entry()


@contextlib.contextmanager
def opened(request: Request) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file that a request names, with its video stream.

    Raises:
        VideoUnsupported, VideoTooLarge: see `video_stream`.
    """
    with av.open(
        request.path,
        format=request.demuxer,
        options={"protocol_whitelist": "file", **ffmpeg_caps(request)},
        metadata_errors="replace",
    ) as container:
        yield container, video_stream(container, request)


def video_stream(container: InputContainer, request: Request) -> VideoStream:
    """The first video stream that is not a cover picture, checked against the caps.

    Raises:
        VideoUnsupported: there is none.
        VideoTooLarge: its header says that it is over a cap.
    """
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise VideoUnsupported("The file holds no video. Send one with a video track.")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise VideoUnsupported("The video's coding is not known. Encode it anew, as H.264 for example.")
    check_cap("pixels a frame", context.width * context.height, request.max_pixels)
    check_cap("frames", stream.frames, request.max_frames)
    check_cap("seconds", duration_s(container, stream), request.max_duration_s)
    context.thread_count = 1
    context.options = ffmpeg_caps(request)
    return stream


def ffmpeg_caps(request: Request) -> dict[str, str]:
    """FFmpeg's own cap on pixels, before it allocates a frame; double ours, as it counts the coding's padding too."""
    return {"max_pixels": str(2 * request.max_pixels)}


def check_cap(what: str, value: float, most: float) -> None:
    """Raises: VideoTooLarge."""
    if value > most:
        raise VideoTooLarge(
            f"The video has {value:.10g} {what}; at most {most:.10g} are allowed. Send a smaller or shorter one.",
            value=value,
            most=most,
        )


def duration_s(container: InputContainer, stream: VideoStream) -> float:
    """What the headers say, 0 when they are silent."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def frames(
    container: InputContainer, stream: VideoStream, request: Request, *, entry: Entry = BEGINNING
) -> Iterator[VideoFrame]:
    """Decode in display order, from the entry on.

    Raises:
        VideoUnreadable: at the first damaged packet, or at the end when nothing was decoded.
        VideoTooLarge: more than `max_frames`.
    """
    count = entry.frame
    for frame in decoded(container, stream, entry):
        count += 1
        check_cap("frames or more", count, request.max_frames)
        check_cap("pixels a frame", frame.width * frame.height, request.max_pixels)
        yield frame
    if not count:
        raise VideoUnreadable("The video holds no frame that decodes. Send an intact copy.", num_frames=0)


def decoded(container: InputContainer, stream: VideoStream, entry: Entry) -> Iterator[VideoFrame]:
    """Every frame from the entry up to the first damage, then VideoUnreadable."""
    count = entry.frame
    try:
        for packet in packets_from(container, stream, entry):
            if packet.is_corrupt:
                raise av.InvalidDataError(0, "a packet is cut short")
            try:
                decoded_now = packet.decode()
            except av.InvalidDataError:
                if count or packet.is_keyframe:
                    raise
                continue  # a clip cut between key frames begins with packets that nothing can decode
            for frame in decoded_now:
                if not is_before(frame, entry):
                    count += 1
                    yield frame
    except av.error.MemoryError:
        raise
    except av.FFmpegError as damage:
        for frame in held_back(stream):
            if not is_before(frame, entry):
                count += 1
                yield frame
        message = f"The video is damaged after {count} frames: {damage.strerror}. Send an intact copy, or cut it there."
        raise VideoUnreadable(message, num_frames=count) from damage


def packets_from(container: InputContainer, stream: VideoStream, entry: Entry) -> Iterator["Packet[VideoStream]"]:
    """The packets from the entry's on, and the empty one that ends them. Those before are read, not decoded."""
    left = entry.packet
    for packet in container.demux(stream):
        if left and packet.size:
            left -= 1
        else:
            yield packet


def is_before(frame: VideoFrame, entry: Entry) -> bool:
    """Whether a frame is shown before the entry, so that what it is made from was not decoded."""
    return entry.time is not None and frame.pts is not None and frame.pts < entry.time


def held_back(stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames that the decoder still holds because it reorders them."""
    try:
        yield from stream.codec_context.decode(None)
    except av.FFmpegError:
        return


def square_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(H, W) of a frame once its pixels are square, as players show it: the width is stretched, the height stays.

    A pixel that is said to be more than MAX_PIXEL_ASPECT times as wide as high, or the reverse, is taken for damage
    and for square.
    """
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT:
        aspect = 1.0
    return frame.height, max(1, round(frame.width * aspect))


def quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns that bring the frame upright, 0..3, from its display matrix."""
    return round(frame.rotation / 90) % 4
