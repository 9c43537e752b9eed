import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig, fast
from pfa_core.cuts import Triplet, cut_blocks, cut_blocks_batched, cut_frames, cut_frames_batched
from pfa_core.frame_store import FrameStore
from pfa_core.packs import Pack, build_pack
from pfa_core.progress import run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.disk import full_disk
from tests.unit.pfa_core.moving_clips import ArrayClip, noise_clip
from tests.unit.pfa_core.video_maker import moving_square, write_lossless

NUM_FRAMES, SIZE, SIDE, GAP = 16, (72, 96), 64, 12
EVERYTHING = 1 << 60


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


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[Pack]:
    folder = tmp_path_factory.mktemp("packs")
    video = write_lossless(folder / "a.mkv", moving_square(num_frames=NUM_FRAMES, size=SIZE))
    made = []
    for quality in (60, 95):
        config = PackConfig(short_side_px=72, backend="dis", tvl1=fast(), bound_px=10.0, jpeg_quality=quality)
        steps = build_pack(video, folder / str(quality), config, video_sha256="ab" * 32, limits=DecodeLimits())
        made.append(run_to_end(steps, lambda _: None))
    return made


def loaded(packs: list[Pack], *, cache_bytes: int = 0, keep_free_bytes: int = 0) -> FrameStore:
    store = FrameStore(packs, cache_bytes=cache_bytes, keep_free_bytes=keep_free_bytes)
    run_to_end(store.load(), lambda _: None)
    return store


@pytest.fixture(scope="module")
def forms(packs: list[Pack]) -> list[FrameStore]:
    """The same videos compressed, mapped, in memory, and some this way and some that."""
    compressed = loaded(packs, keep_free_bytes=EVERYTHING)
    one = (5 * NUM_FRAMES - 2) * SIZE[0] * SIZE[1]
    return [compressed, loaded(packs), loaded(packs, cache_bytes=2 * one), loaded(packs, cache_bytes=one)]


def test_held_in_three_ways(forms: list[FrameStore]) -> None:
    assert [store.held() for store in forms] == [
        {"in_memory": 0, "mapped": 0, "compressed": 2},
        {"in_memory": 0, "mapped": 2, "compressed": 0},
        {"in_memory": 2, "mapped": 0, "compressed": 0},
        {"in_memory": 1, "mapped": 1, "compressed": 0},
    ]


@given(
    st.lists(
        st.builds(
            Triplet,
            video=st.integers(0, 1),
            first=st.integers(0, NUM_FRAMES - GAP - 1),
            top=st.integers(0, SIZE[0] - SIDE),
            left=st.integers(0, SIZE[1] - SIDE),
            mirrored=st.booleans(),
            reversed=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_form_gives_the_same_crops(forms: list[FrameStore], triplets: list[Triplet]) -> None:
    """Also as a GPU gathers them, with a host buffer for what is not in its memory."""
    compressed = forms[0]
    first, second = cut_frames(compressed, triplets, side=SIDE, gap=GAP)
    blocks = cut_blocks(compressed, triplets, side=SIDE, gap=GAP)
    for store in forms:
        for frames, maps in ((cut_frames, cut_blocks), (cut_frames_batched, cut_blocks_batched)):
            ours = (*frames(store, triplets, side=SIDE, gap=GAP), maps(store, triplets, side=SIDE, gap=GAP))
            assert all(torch.equal(a, b) for a, b in zip(ours, (first, second, blocks), strict=True))


def test_reading_from_a_map_changes_nothing_in_it(packs: list[Pack], forms: list[FrameStore]) -> None:
    for index in range(NUM_FRAMES):
        whole = forms[1].frame(0, index, top=0, left=0, side=SIZE[0])
        np.testing.assert_array_equal(whole.numpy(), packs[0].frame(index)[:, : SIZE[0]])


def test_what_the_disk_does_not_take_stays_compressed(packs: list[Pack], tmp_path: Path) -> None:
    fresh = [Pack.open(shutil.copytree(pack.folder, tmp_path / pack.folder.name)) for pack in packs]
    with full_disk(after_bytes=1000):
        store = FrameStore(fresh)
        heard = list(store.load())
    assert heard[-1].metrics == {"in_memory": 0, "mapped": 0, "compressed": 2}
    np.testing.assert_array_equal(
        store.frame(1, 5, top=0, left=0, side=SIZE[0]).numpy(), packs[1].frame(5)[:, : SIZE[0]]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["60", "95"]
    run_to_end(store.load(), lambda _: None)
    assert store.held()["mapped"] == 2
