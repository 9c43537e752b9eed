import numpy as np
from numpy.typing import NDArray

from pfa_core.frame_store import FrameStore
from tests.unit.pfa_core.moving_clips import ArrayClip, noise_clip


class CountingClip:
    """A clip that counts how often it is read."""

    def __init__(self, clip: ArrayClip) -> None:
        self.clip, self.num_asked = clip, 0
        self.video_sha256, self.bound_px, self.still = clip.video_sha256, clip.bound_px, clip.still
        self.num_frames, self.size = clip.num_frames, clip.size

    def frame(self, index: int) -> NDArray[np.uint8]:
        self.num_asked += 1
        return self.clip.frame(index)

    def flow(self, index: int) -> NDArray[np.int8]:
        self.num_asked += 1
        return self.clip.flow(index)


def test_loading_stops_where_memory_does_and_says_how_far_it_is() -> None:
    clips = [CountingClip(noise_clip(seed)) for seed in range(3)]
    one = (5 * 16 - 2) * 70 * 80
    store = FrameStore(clips, cache_bytes=2 * one)
    heard = [(p.phase, p.step, p.total) for p in store.load()]
    assert heard == [("load", 1, 3), ("load", 2, 3), ("load", 3, 3)]
    asked = [clip.num_asked for clip in clips]
    assert asked == [31, 31, 0]  # 16 frames and the 15 flows between them
    for video in range(3):
        store.frame(video, 4, top=0, left=0, side=9)
    assert [clip.num_asked for clip in clips] == [31, 31, 1]
