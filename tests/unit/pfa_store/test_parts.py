"""How long videos are cut."""

from hypothesis import given
from hypothesis import strategies as st

from pfa_store.parts import parts_of


@given(num_frames=st.integers(0, 10_000), part_frames=st.integers(2, 900))
def test_parts_cover_a_video_once(num_frames: int, part_frames: int) -> None:
    parts = parts_of(num_frames, part_frames=part_frames)
    if not parts:
        assert num_frames < 1.5 * part_frames
        return
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    at = 0
    for part in parts[:-1]:
        assert (part.first_frame, part.num_frames) == (at, part_frames)
        at += part_frames
    last = parts[-1]
    assert (last.first_frame, last.num_frames) == (at, None)
    assert 0.5 * part_frames <= num_frames - at < 1.5 * part_frames
    assert sum(part.pairs for part in parts) == num_frames - 1
