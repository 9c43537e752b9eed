import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.errors import NoUsableVideos
from pfa_core.held_out import PretrainVideo, split
from tests.unit.pfa_core.moving_clips import noise_clip

NOISE = noise_clip(0)


def named(*marks: tuple[str | None, str | None]) -> list[PretrainVideo]:
    return [PretrainVideo(name=str(i), group=g, split=s, pack=NOISE) for i, (g, s) in enumerate(marks)]


@given(groups=st.lists(st.sampled_from("abcdef"), min_size=4, max_size=20), seed=st.integers(0, 50))
def test_groups_are_held_out_whole(groups: list[str], seed: int) -> None:
    videos = named(*((group, None) for group in groups))
    learned, held = split(videos, val_fraction=0.15, seed=seed)
    assert sorted([*learned, *held], key=lambda v: int(v.name)) == videos
    assert not {v.group for v in learned} & {v.group for v in held}
    assert len(learned) >= 2
    assert len(held) == 0 or len(held) >= 2
    if held:
        assert len(held) <= max(2, round(0.15 * len(videos))) + max(groups.count(g) for g in groups)


def test_a_given_split_is_kept() -> None:
    videos = named(*((None, s) for s in ("train", "val", None, "test", "train")))
    learned, held = split(videos, val_fraction=0.5, seed=0)
    assert [v.name for v in learned] == ["0", "2", "4"]
    assert [v.name for v in held] == ["1", "3"]


def test_a_video_marked_as_test_is_never_learned_from() -> None:
    learned, held = split(named((None, None), (None, "train"), (None, "test")), val_fraction=0.5, seed=0)
    assert [v.name for v in learned] == ["0", "1"]
    assert held == []
    with pytest.raises(NoUsableVideos, match="val or test"):
        split(named((None, "test"), (None, "val"), (None, None)), val_fraction=0.5, seed=0)


def test_without_groups_each_video_is_its_own() -> None:
    learned, held = split(named(*[(None, None)] * 20), val_fraction=0.15, seed=0)
    assert (len(learned), len(held)) == (17, 3)


def test_nothing_is_held_out_where_none_shall_or_can_be() -> None:
    assert split(named(*[(None, None)] * 9), val_fraction=0, seed=0)[1] == []
    assert split(named(*[(None, None)] * 3), val_fraction=0.3, seed=0)[1] == []
    assert split(named(*[("one", None)] * 9), val_fraction=0.3, seed=0)[1] == []
