"""Beginning to decode in the middle of a video, where that gives the frames that decoding from its start gives.

No container is asked to seek: seeking lands where an index says, and indices differ. All packets are read in order,
which costs a thousandth of decoding them, and those before a chosen key frame are not given to the decoder. Which frame
that key frame is follows from the times of all packets, so it takes a container that keeps them: AVI does not.

What cannot be known from outside a decoder is checked by who reads: `pack_chunks` compares the frame before a part,
and its time, with the last frame of the part before.
"""

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pfa_core.errors import VideoUnreadable
from pfa_core.video.decoder import Entry, check_cap, frames, opened
from pfa_core.video.wire import Request

TIMED_DEMUXERS = {"mov", "matroska"}
"""Containers that keep the time at which each packet's frame is shown."""
CLEAN_CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "ffv1"}
"""Codings in which nothing that is shown after a key frame is made from what was coded before it."""


def later_frames(request: Request) -> Iterator[VideoFrame]:
    """The frames from `request.first_frame` on; none if the video is shorter.

    Raises:
        VideoUnreadable, VideoTooLarge: as `decoder.frames`, for what is decoded.
    """
    if request.enters:
        found = find_entry(request)
        if found is not None:
            entry, time = found
            with opened(request) as (container, stream):
                rest = frames(container, stream, request, entry=entry)
                first = _reached(rest, time)
                if first is not None:
                    yield first
                    yield from rest
                    return
    with opened(request) as (container, stream):
        yield from itertools.islice(frames(container, stream, request), request.first_frame, None)


def find_entry(request: Request) -> tuple[Entry, int] | None:
    """The last key frame from which `first_frame` can be decoded, and the time of that frame.

    None: the first packet is as good, or times or damage leave it open which frame is which.
    """
    with opened(request) as (container, stream):
        if request.demuxer not in TIMED_DEMUXERS or stream.codec_context.name not in CLEAN_CODECS:
            return None
        listed = _listed(container, stream, request)
    if listed is None:
        return None
    times, keys = listed
    shown = sorted(times)
    if request.first_frame >= len(shown) or not keys[0] or any(a == b for a, b in itertools.pairwise(shown)):
        return None
    wanted = shown[request.first_frame]
    entry = None
    latest = shown[0] - 1
    for number, (time, is_key) in enumerate(zip(times, keys, strict=True)):
        # All that is coded before it is shown before it, so nothing that is wanted is made from that.
        if is_key and number and latest < time <= wanted:
            entry = Entry(packet=number, frame=bisect_left(shown, time), time=time)
        latest = max(latest, time)
    return None if entry is None else (entry, wanted)


def _listed(container: InputContainer, stream: VideoStream, request: Request) -> tuple["array[int]", bytearray] | None:
    """Of every packet, when its frame is shown and whether it is a key frame; None: one does not say, or is damaged."""
    times, keys = array("q"), bytearray()
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.is_corrupt or packet.is_discard:
            return None
        times.append(packet.pts)
        keys.append(packet.is_keyframe)
        check_cap("frames or more", len(times), request.max_frames)
    return times, keys


def _reached(source: Iterator[VideoFrame], time: int) -> VideoFrame | None:
    """The frame that is shown at `time`; None if the decoder does not give it."""
    with suppress(VideoUnreadable):  # to be found again, and told, by decoding from the start
        for frame in source:
            if frame.pts is None or frame.pts > time:
                return None
            if frame.pts == time:
                return frame
    return None
