"""Searching a gallery, against a literal search."""

import math
from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from pfa_core.errors import ItemNotFound, ModelUnsuitable
from pfa_core.gallery_edit import editing
from pfa_core.gallery_item import ItemFilter
from pfa_core.nearest import candidates_needed
from pfa_core.retrieval import GalleryIndex
from tests.unit.pfa_core.galleries import append, clustered, items_of, thumbnails_of


@pytest.fixture
def features() -> NDArray[np.float32]:
    return clustered(60)


@pytest.fixture
def index(tmp_path: Path, features: NDArray[np.float32]) -> GalleryIndex:
    append(tmp_path / "g", features)
    return GalleryIndex.load(tmp_path / "g")


def test_search_equals_a_literal_one(index: GalleryIndex, features: NDArray[np.float32]) -> None:
    queries = clustered(3, seed=1)
    for query, found in zip(queries, index.search(queries, k=7), strict=True):
        expected = sorted((math.dist(query.tolist(), row.tolist()), n) for n, row in enumerate(features))[:7]
        assert [one.id for one in found] == [n for _, n in expected]
        assert [one.distance for one in found] == pytest.approx([d for d, _ in expected], rel=1e-5)
        assert [one.item for one in found] == [items_of(60)[n] for _, n in expected]


def test_search_equals_faiss(tmp_path: Path) -> None:
    rows, queries = clustered(2000, num_features=512), clustered(50, num_features=512, seed=1)
    append(tmp_path / "g", rows)
    flat = faiss.IndexFlatL2(512)
    flat.add(rows)
    squared, places = flat.search(queries, 10)
    for found, wanted, distances in zip(
        GalleryIndex.load(tmp_path / "g").search(queries, k=10), places, np.sqrt(squared), strict=True
    ):
        assert [one.id for one in found] == wanted.tolist()
        assert [one.distance for one in found] == pytest.approx(distances.tolist(), rel=1e-4)


def test_items_at_the_same_distance_come_by_id(tmp_path: Path) -> None:
    """Also where the products of matrices that order them round differently."""
    row = clustered(1, num_features=4096) * 100
    append(tmp_path / "g", np.repeat(row, 300, axis=0))
    append(tmp_path / "g", np.repeat(row, 41, axis=0), key="more")
    index = GalleryIndex.load(tmp_path / "g")
    for query in (row, row + 1, clustered(1, num_features=4096, seed=3)):
        found = index.search(query, k=20)[0]
        assert [one.id for one in found] == list(range(20))
        assert len({one.distance for one in found}) == 1
    assert index.search(row, k=1)[0][0].distance == 0


def test_no_more_than_there_are(index: GalleryIndex, tmp_path: Path) -> None:
    found = index.search(clustered(2, seed=1), k=1000)
    assert [len(one) for one in found] == [60, 60]
    with editing(tmp_path / "g") as edit:
        assert edit.delete(index.ids()) == 60
        edit.publish()
    empty = GalleryIndex.load(tmp_path / "g")
    assert len(empty) == 0
    assert empty.search(clustered(2, seed=1), k=10) == [[], []]
    assert empty.page(after=-1, limit=5) == []


def test_features_of_another_length_are_refused(index: GalleryIndex) -> None:
    with pytest.raises(ModelUnsuitable, match="16"):
        index.search(np.zeros((1, 8), dtype=np.float32), k=1)


FILTERS = {
    "label": ItemFilter(labels=("run",)),
    "source": ItemFilter(sources=("v1", "v4")),
    "both": ItemFilter(sources=("v1", "v4"), labels=("walk",)),
    "dataset": ItemFilter(datasets=("ds_2",)),
    "none": ItemFilter(labels=("swim",)),
}


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("reduced_from", [10**6, 20])
def test_a_filter_lets_through_what_a_literal_one_does(tmp_path: Path, chosen: ItemFilter, reduced_from: int) -> None:
    rows, more = clustered(600), clustered(60, seed=5)
    items = [*items_of(600), *items_of(60, source="w", dataset="ds_2")]
    append(tmp_path / "g", rows, items[:600])
    append(tmp_path / "g", more, items[600:], key="job_2", reduced_from=reduced_from)
    index = GalleryIndex.load(tmp_path / "g")
    passing = [
        n for n, one in enumerate(items)
        if (not chosen.labels or one.label in chosen.labels)
        and (not chosen.sources or one.source in chosen.sources)
        and (not chosen.datasets or one.dataset in chosen.datasets)
    ]  # fmt: skip
    every, query = np.concatenate([rows, more]), clustered(1, seed=6)
    expected = sorted((math.dist(query[0].tolist(), every[n].tolist()), n) for n in passing)[:5]
    assert [one.id for one in index.search(query, k=5, among=chosen)[0]] == [n for _, n in expected]
    assert index.ids(chosen).tolist() == passing
    assert [n for n, _ in index.page(after=-1, limit=1000, among=chosen)] == passing


def latent(count: int, *, seed: int) -> NDArray[np.float32]:
    """(count, 512) that vary in 40 directions much and in all of them a little."""
    mixing = np.random.default_rng(7).normal(size=(40, 512))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 40)) @ mixing + 0.5 * rng.normal(size=(count, 512))
    return np.maximum(rows, 0).astype(np.float32)


@pytest.mark.parametrize("kind", ["latent", "noise"])
def test_a_projected_search_finds_what_an_exact_one_does(tmp_path: Path, kind: str) -> None:
    """Also of noise that no 256 directions describe: then it is searched exactly."""
    if kind == "latent":
        rows, queries = latent(3000, seed=0), latent(50, seed=1)
    else:
        noise = np.random.default_rng(0).normal(size=(3050, 1024)).astype(np.float32)
        rows, queries = noise[:3000], noise[3000:]
    append(tmp_path, rows[:2000], key="a", reduced_from=500)
    append(tmp_path, rows[2000:], key="b", reduced_from=500)
    index = GalleryIndex.load(tmp_path)
    reduction = index.manifest.reduction
    assert reduction is not None
    assert (reduction.num_candidates > 0.05 * 3000) == (kind == "noise")
    assert all(record.reduced for record in index.manifest.segments)
    found, wanted = index.search(queries, k=10), index.search(queries, k=10, exact=True)
    same = [len({a.id for a in one} & {b.id for b in other}) for one, other in zip(found, wanted, strict=True)]
    assert sum(same) >= 0.99 * 10 * len(queries)
    for one, other in zip(found, wanted, strict=True):
        if [a.id for a in one] == [b.id for b in other]:
            assert one == other  # distances are measured in full


def test_candidates_needed_are_counted() -> None:
    """The two best of the first query lie first and third by estimate, those of the second first and second."""
    exact = np.array([[0, 1, 5, 6], [9, 8, 1, 0]], dtype=np.float32)
    estimated = np.array([[0, 3, 2, 9], [9, 8, 2, 1]], dtype=np.float32)
    assert candidates_needed(exact, estimated, k=2, share=1.0) == 3
    assert candidates_needed(exact, estimated, k=2, share=0.6) == 2


def test_items_are_read_by_id(index: GalleryIndex, features: NDArray[np.float32]) -> None:
    assert index.item(17) == items_of(60)[17]
    np.testing.assert_array_equal(index.feature(17), features[17])
    assert index.thumbnail(17) == thumbnails_of(18)[17]
    assert index.page(after=57, limit=10) == [(58, items_of(60)[58]), (59, items_of(60)[59])]
    for unknown in (-1, 60, 10**12):
        with pytest.raises(ItemNotFound, match=str(unknown)):
            index.item(unknown)
