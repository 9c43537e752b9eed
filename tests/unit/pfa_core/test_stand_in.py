import pickle
from dataclasses import replace

import numpy as np

from pfa_core.config import pretrain as presets
from pfa_core.stand_in import stand_in_clips


def test_clips_have_the_working_size_and_fill_the_range() -> None:
    config = presets.paper()
    clips = stand_in_clips(config, count=3, num_frames=14)
    assert [clip.size for clip in clips] == [(240, 320)] * 3
    assert len({clip.video_sha256 for clip in clips}) == 3
    frame, flow = clips[0].frame(0), clips[0].flow(0)
    assert frame.shape == (240, 320, 3)
    assert frame.dtype == np.uint8
    assert flow.shape == (2, 240, 320)
    assert flow.dtype == np.int8
    assert abs(frame.mean() - 127.5) < 5
    assert abs(flow.mean()) < 5


def test_sizes_that_are_no_multiple_of_the_noise_are_kept() -> None:
    (clip,) = stand_in_clips(replace(presets.small(), pack=replace(presets.small().pack, short_side_px=130)), count=1)
    assert clip.size == (130, 173)
    assert clip.frame(0).shape == (130, 173, 3)


def test_a_clip_is_the_same_wherever_it_is_made() -> None:
    clip, other = stand_in_clips(presets.small(), count=2)
    again = pickle.loads(pickle.dumps(clip))
    assert np.array_equal(again.frame(7), clip.frame(7))
    assert np.array_equal(again.flow(7), clip.flow(7))
    assert not np.array_equal(clip.frame(7), clip.frame(8))
    assert not np.array_equal(clip.frame(7), other.frame(7))
