"""Galleries that change: appending, deleting, merging, readers that live on, writers that die, damage."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pfa_core.errors import IndexDamaged, ItemNotFound, ModelUnsuitable
from pfa_core.gallery_edit import MAX_SEGMENTS, editing
from pfa_core.gallery_item import ItemFilter
from pfa_core.gallery_segment import GROWING, SegmentWriter
from pfa_core.retrieval import GalleryIndex
from tests.unit.pfa_core.galleries import MODEL, append, clustered, items_of, thumbnails_of

BIG = ("features.f32", "items.jsonl", "thumbnails.bin")


def whole(folder: Path) -> list[tuple[int, object, bytes, bytes | None]]:
    """Everything that a gallery holds."""
    index = GalleryIndex.load(folder, verify=True)
    return [(n, index.item(n), index.feature(n).tobytes(), index.thumbnail(n)) for n in index.ids().tolist()]


def segment_of(folder: Path) -> Path:
    (segment,) = (folder / "segments").iterdir()
    return segment


def test_appending_leaves_old_segments_alone(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    append(folder, clustered(30))
    old = segment_of(folder)
    before = {path.name: path.stat().st_mtime_ns for path in old.iterdir()}
    manifest = append(folder, clustered(20, seed=1), key="job_2")
    assert {path.name: path.stat().st_mtime_ns for path in old.iterdir()} == before
    assert (manifest.num_items, manifest.next_id, len(manifest.segments)) == (50, 50, 2)
    every = np.concatenate([clustered(30), clustered(20, seed=1)])
    assert [(n, feature) for n, _, feature, _ in whole(folder)] == [(n, row.tobytes()) for n, row in enumerate(every)]


def test_the_same_key_is_appended_once(tmp_path: Path) -> None:
    first = append(tmp_path / "g", clustered(30))
    assert append(tmp_path / "g", clustered(30)) == first
    assert len(GalleryIndex.load(tmp_path / "g")) == 30


def test_features_of_another_model_are_not_mixed_in(tmp_path: Path) -> None:
    append(tmp_path / "g", clustered(30))
    before = whole(tmp_path / "g")
    for model, num_features in (("other@1", 16), (MODEL, 8)):
        with pytest.raises(ModelUnsuitable, match="walker@1"):
            append(tmp_path / "g", clustered(5, num_features=num_features), key="x", model=model)
    assert whole(tmp_path / "g") == before
    replaced = append(tmp_path / "g", clustered(5, num_features=8), key="y", model="other@1", replaces=True)
    assert (replaced.model, replaced.num_items) == ("other@1", 5)
    assert [n for n, *_ in whole(tmp_path / "g")] == [30, 31, 32, 33, 34]  # ids are not used again


def test_deleted_items_are_gone_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    append(folder, clustered(60))
    before = whole(folder)
    with editing(folder) as edit:
        assert edit.delete(np.array([3, 5, 999])) == 2
        assert edit.delete_where(ItemFilter(sources=("v1", "nowhere"))) == 10
        edit.publish()
    left = [one for one in before if one[0] not in (3, 5) and not 10 <= one[0] < 20]
    assert whole(folder) == left
    index = GalleryIndex.load(folder)
    with pytest.raises(ItemNotFound):
        index.item(3)
    asked = clustered(60)[3:4]
    found = index.search(asked, k=60)[0]
    assert sorted(one.id for one in found) == [n for n, *_ in left]
    assert index.search(asked, k=60, exact=True)[0] == found
    with editing(folder) as edit:
        assert edit.delete(np.array([3])) == 0


def test_what_is_mostly_deleted_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    append(folder, clustered(60))
    before = whole(folder)
    with editing(folder) as edit:
        edit.delete(np.arange(40))
        edit.publish()
    assert whole(folder) == before[40:]
    assert (segment_of(folder) / "ids.i64").stat().st_size == 8 * 20
    manifest = append(folder, clustered(5, seed=3), key="job_2")
    assert (manifest.num_items, manifest.num_deleted, manifest.next_id) == (25, 0, 65)


@pytest.mark.parametrize("reduced_from", [10, 10**6])
def test_many_small_appends_stay_few_segments(tmp_path: Path, reduced_from: int) -> None:
    folder, rows = tmp_path / "g", clustered(3 * MAX_SEGMENTS)
    items, images = items_of(len(rows)), thumbnails_of(len(rows))
    for n, row in enumerate(rows):
        append(folder, row[None], items[n : n + 1], key=f"job_{n}", reduced_from=reduced_from)
        if n == 7:
            with editing(folder, reduced_from=reduced_from) as edit:
                edit.delete(np.array([2]))
                edit.publish()
    index = GalleryIndex.load(folder)
    assert len(index.manifest.segments) <= MAX_SEGMENTS
    assert [(n, item, feature) for n, item, feature, _ in whole(folder)] == [
        (n, items[n], row.tobytes()) for n, row in enumerate(rows) if n != 2
    ]
    assert index.thumbnail(7) == images[0]  # each was sent with the first of its own
    assert [one[0].id for one in index.search(rows, k=1)] != [2]


def test_a_reader_lives_on(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    append(folder, clustered(3000), reduced_from=100)
    old = GalleryIndex.load(folder)
    query = clustered(4, seed=9)
    found, image = old.search(query, k=5), old.thumbnail(17)
    append(folder, clustered(7), key="job_2", replaces=True)
    assert len(list((folder / "segments").iterdir())) == 1
    assert not list((folder / "reductions").iterdir())
    assert old.search(query, k=5) == found
    assert old.thumbnail(17) == image
    old.verify()
    assert len(GalleryIndex.load(folder)) == 7


DIES = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit.pfa_core.galleries import MODEL, append, clustered, items_of, thumbnails_of
from pfa_core.gallery_edit import editing
from pfa_core.gallery_segment import SegmentWriter
folder = Path({folder!r})
writer = SegmentWriter(folder.with_name("written"), num_features=16)
writer.add(clustered(9), items_of(9), thumbnails_of(9))
with editing(folder) as edit:
    edit.append(writer, key="job_2", model=MODEL, num_features=16)
    os.kill(os.getpid(), 9)
"""


def test_a_writer_that_dies_leaves_the_gallery_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    append(folder, clustered(30))
    before = whole(folder)
    root = str(Path(__file__).parents[3])
    ended = subprocess.run([sys.executable, "-c", DIES.format(root=root, folder=str(folder))], check=False)
    assert ended.returncode == -9
    assert len(list((folder / "segments").iterdir())) == 2
    assert whole(folder) == before
    append(folder, clustered(5), key="job_3")
    assert len(list((folder / "segments").iterdir())) == 2  # what nobody names was cleared away
    assert len(whole(folder)) == 35


def test_a_segment_is_gone_on_with_after_its_last_mark(tmp_path: Path) -> None:
    """A writer that was killed anywhere between two marks ends as if it had not been."""
    rows, items, images = clustered(30), items_of(30), thumbnails_of(30)

    def add(writer: SegmentWriter, first: int, last: int) -> None:
        writer.add(rows[first:last], items[first:last], images[first:last])

    straight = SegmentWriter(tmp_path / "straight", num_features=16)
    for first in (0, 10, 20):
        add(straight, first, first + 10)
        straight.mark(first)
    killed = SegmentWriter(tmp_path / "killed", num_features=16)
    add(killed, 0, 10)
    killed.mark(0)
    add(killed, 15, 30)
    killed.close()
    again = SegmentWriter(tmp_path / "killed", num_features=16)
    assert (again.num_items, again.notes) == (10, [0])
    for first in (10, 20):
        add(again, first, first + 10)
        again.mark(first)
    one, other = straight.finish(np.arange(30)), again.finish(np.arange(30))
    assert one.files == other.files
    assert set(one.files) > set(GROWING)


def damage(path: Path, harm: str) -> None:
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[:-8])
    else:
        path.write_bytes(content[:-9] + bytes(9 * [7]))


def files_of(folder: Path) -> list[Path]:
    """Every file of a gallery but its lock."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_damage_is_noticed(tmp_path: Path, harm: str) -> None:
    def made(name: str) -> Path:
        folder = tmp_path / name
        append(folder, clustered(40), reduced_from=10)
        with editing(folder, reduced_from=10) as edit:
            edit.delete(np.array([1]))
            edit.publish()
        return folder

    num_files = len(files_of(made("g")))
    assert num_files == 1 + 9 + 1 + 4
    for place in range(num_files):
        folder = made(f"{harm}{place}")
        path = files_of(folder)[place]
        damage(path, harm)
        with pytest.raises(IndexDamaged):
            GalleryIndex.load(folder, verify=True)
        if harm != "changed" or (path.name not in BIG and "reductions" not in path.parts):
            with pytest.raises(IndexDamaged):
                GalleryIndex.load(folder)


def test_an_item_that_does_not_read_is_damage(tmp_path: Path) -> None:
    """Without a full check: only those who ask for it meet it."""
    append(tmp_path / "g", clustered(20))
    path = segment_of(tmp_path / "g") / "items.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"source": "v1"', b'["source": "v1"'))
    index = GalleryIndex.load(tmp_path / "g")
    assert index.item(9).source == "v0"
    with pytest.raises(IndexDamaged):
        index.item(10)


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    append(tmp_path / "g", clustered(5))
    path = tmp_path / "g" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3}))
    with pytest.raises(IndexDamaged, match="layout 3"):
        GalleryIndex.load(tmp_path / "g")
    with pytest.raises(IndexDamaged, match="layout 3"), editing(tmp_path / "g"):
        pass


def test_what_is_damaged_can_be_replaced(tmp_path: Path) -> None:
    append(tmp_path / "g", clustered(5))
    damage(tmp_path / "g" / "manifest.json", "cut")
    with pytest.raises(IndexDamaged):
        append(tmp_path / "g", clustered(7), key="job_2")
    append(tmp_path / "g", clustered(7), key="job_2", replaces=True)
    assert len(whole(tmp_path / "g")) == 7
