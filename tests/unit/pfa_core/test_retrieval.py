"""Galleries: exact neighbours against a literal search, round trips, damage."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from pfa_core.errors import IndexDamaged, ModelUnsuitable
from pfa_core.images import read_image
from pfa_core.retrieval import GalleryIndex, GalleryItem, Thumbnails, thumbnail

FILES = ("features.faiss", "items.jsonl", "thumbnails.bin", "index.json")


def gallery(count: int = 50, *, thumbnails: bool = True) -> GalleryIndex:
    features = np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32)
    items = [GalleryItem(source=f"v{n}", name=f"{n}.mp4", frame=5 * n, time_s=n / 5) for n in range(count)]
    images = [thumbnail(np.full((120, 240, 3), n, dtype=np.uint8)) for n in range(count)] if thumbnails else []
    return GalleryIndex.build(features, items, thumbnails=images)


def test_search_equals_a_literal_one() -> None:
    index = gallery()
    features = index.features()
    queries = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    for query, found in zip(queries, index.search(queries, k=7), strict=True):
        expected = sorted((math.dist(query.tolist(), row.tolist()), n) for n, row in enumerate(features))[:7]
        assert [one.position for one in found] == [n for _, n in expected]
        assert [one.distance for one in found] == pytest.approx([d for d, _ in expected], rel=1e-4)
        assert [one.item.source for one in found] == [f"v{n}" for _, n in expected]


def test_an_item_is_its_own_nearest() -> None:
    index = gallery()
    for n, found in enumerate(index.search(index.features(), k=1)):
        assert found[0].position == n
        assert found[0].distance == pytest.approx(0, abs=1e-3)


def test_few_items_are_all_given() -> None:
    assert len(gallery(3).search(np.zeros((1, 16), dtype=np.float32), k=10)[0]) == 3
    empty = GalleryIndex.build(np.empty((0, 16), dtype=np.float32), [])
    assert empty.search(np.zeros((2, 16), dtype=np.float32), k=10) == [[], []]


def test_features_of_another_model_are_refused() -> None:
    with pytest.raises(ModelUnsuitable, match="16"):
        gallery().search(np.zeros((1, 8), dtype=np.float32), k=1)


@pytest.mark.parametrize("thumbnails", [True, False])
def test_a_saved_gallery_is_the_same(tmp_path: Path, thumbnails: bool) -> None:
    index = gallery(thumbnails=thumbnails)
    index.save(tmp_path / "g")
    index.save(tmp_path / "g")  # replaces
    loaded = GalleryIndex.load(tmp_path / "g")
    assert loaded.items == index.items
    np.testing.assert_array_equal(loaded.features(), index.features())
    assert [loaded.thumbnails.get(n) for n in range(50)] == [index.thumbnails.get(n) for n in range(50)]
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    loaded.save(tmp_path / "copy")
    assert GalleryIndex.load(tmp_path / "copy").thumbnails.get(7) == index.thumbnails.get(7)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_damage_is_noticed(tmp_path: Path, name: str, harm: str) -> None:
    gallery().save(tmp_path / "g")
    path = tmp_path / "g" / name
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content.replace(b'"', b"'") if name == "index.json" else content[:-1] + b"\x00")
    with pytest.raises(IndexDamaged):
        GalleryIndex.load(tmp_path / "g")


@pytest.mark.parametrize("name", ["features.faiss", "items.jsonl"])
def test_damage_is_noticed_without_checksums(tmp_path: Path, name: str) -> None:
    gallery().save(tmp_path / "g")
    path = tmp_path / "g" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(IndexDamaged):
        GalleryIndex.load(tmp_path / "g", verify=False)


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    gallery().save(tmp_path / "g")
    path = tmp_path / "g" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(IndexDamaged, match="layout 2"):
        GalleryIndex.load(tmp_path / "g")


def test_thumbnails_are_small_and_in_order(tmp_path: Path) -> None:
    images = [thumbnail(np.full((120, 240, 3), 20 * n, dtype=np.uint8)) for n in range(4)]
    kept = Thumbnails.of(images)
    kept.write(tmp_path / "t")
    for n in range(4):
        small = read_image(Thumbnails(kept.ends, path=tmp_path / "t").get(n) or b"", max_pixels=10**6)
        assert small.shape == (48, 96, 3)
        assert abs(float(cv2.mean(small)[0]) - 20 * n) < 2
    tiny = thumbnail(np.zeros((20, 30, 3), dtype=np.uint8))
    assert read_image(tiny, max_pixels=10**6).shape == (20, 30, 3)  # never enlarged
