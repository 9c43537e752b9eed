"""The data file for the shared data: whom figures are measured on is never learned from, nor chosen by."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tables_data import write
from pfa.tables_file import read_data_file
from tests.missing import missing


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("PFA_TEST_DATA", Path(__file__).parents[4] / "shared/data"))
    if not (folder / "splits.json").is_file():
        missing(f"{folder} is not there")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def people(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["annotations"]
    return found


def test_test_items_are_those_of_the_splits_and_are_in_nothing_that_is_learned_from(data: Path, tmp_path: Path) -> None:
    splits = json.loads((data / "splits.json").read_text())
    read_data_file(write(data, tmp_path, held_out="test"))
    unlabelled = {row["file"] for row in rows(tmp_path / "videos.csv")}
    for name in ("weizmann", "ut_interaction"):
        for row in rows(tmp_path / f"{name}.csv"):
            tested = row["group"] in splits[name]["test"]
            assert row["split"] == ("test" if tested else "train")
            assert (row["file"] in unlabelled) != tested
    images = {person["image"] for person in people(tmp_path / "people.json") if person["split"] == "test"}
    assert images == set(splits["lspet"]["test"])


def test_choices_are_made_without_test_items_and_on_whole_groups(data: Path, tmp_path: Path) -> None:
    splits = json.loads((data / "splits.json").read_text())
    write(data, tmp_path, held_out="val")
    for name in ("weizmann", "ut_interaction"):
        found = rows(tmp_path / f"{name}.csv")
        groups = {split: {row["group"] for row in found if row["split"] == split} for split in ("train", "test")}
        assert groups["train"]
        assert groups["test"]
        assert not groups["train"] & groups["test"]
        assert not (groups["train"] | groups["test"]) & set(splits[name]["test"])
        held = {row["file"] for row in found if row["split"] == "test"}
        assert not held & {row["file"] for row in rows(tmp_path / "videos.csv")}
    shown = people(tmp_path / "people.json")
    assert not {person["image"] for person in shown} & set(splits["lspet"]["test"])
    clusters = {split: {person["dup_cluster"] for person in shown if person["split"] == split}
                for split in ("train", "test")}  # fmt: skip
    assert len(clusters["test"]) > 100
    assert not clusters["train"] & clusters["test"]
