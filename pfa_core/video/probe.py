"""What a video is, without bringing a frame of it into this process."""

from dataclasses import dataclass
from pathlib import Path

from pfa_core.video.limits import DecodeLimits
from pfa_core.video.sandbox import Sandbox, open_container, request_for


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What a video is."""

    container: str
    """`mp4`, `mov`, `mkv`, `webm` or `avi`, by content and not by name."""
    codec: str
    """FFmpeg's name, such as `h264`."""
    width_px: int
    """After rotation and with square pixels, as are all sizes: those of the frames that `read_frames` yields."""
    height_px: int
    rotation_deg: int
    """Clockwise turn that was applied: 0, 90, 180 or 270."""
    num_frames: int
    """Frames decoded when the video is short, else packets counted."""
    fps: float
    """The mean, where the frame rate varies; 0 when the file does not say."""
    duration_s: float
    still: bool | None
    """True: all of it was decoded and nothing moves. False: something moves. None: nothing moves in its beginning."""


def probe(path: Path, *, limits: DecodeLimits) -> VideoInfo:
    """Look at a video in a sandbox: its first frames are decoded, the others counted.

    Raises:
        VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: see `pfa_core.errors`.
        OSError: the file cannot be opened.
    """
    container = open_container(path, limits)
    request = request_for(path, action="probe", demuxer=container.demuxer, limits=limits)
    with Sandbox(request, limits=limits) as sandbox:
        answer = sandbox.next_record()
    assert isinstance(answer, dict)
    return VideoInfo(container=container.name, **answer)
