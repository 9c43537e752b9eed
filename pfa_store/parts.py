"""How a long video is cut: into ranges of its frames, each of which any worker can take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A range of a video's frames, and the flow that leads to each of them."""

    number: int
    """From 1 on."""
    first_frame: int
    num_frames: int | None
    """None: to the video's end, wherever that is; what a file says of its length may be wrong."""
    pairs: int
    """Pairs of frames whose flow is to be measured, if the file is right."""


def parts_of(num_frames: int, *, part_frames: int) -> tuple[Part, ...]:
    """The parts of a video, each of `part_frames` but the last, which has half to one and a half of that.

    None for a video that would be a single one: it is not cut.
    """
    count = (2 * num_frames + part_frames) // (2 * part_frames)
    firsts = [number * part_frames for number in range(count)]
    if count < 2:
        return ()
    return tuple(
        Part(
            number=number,
            first_frame=first,
            num_frames=part_frames if number < count else None,
            pairs=(part_frames if number < count else num_frames - first) - (number == 1),
        )
        for number, first in enumerate(firsts, start=1)
    )
