"""The data file of `pfa tables` for `shared/data`: `python -m benchmarks.tables_data --out FOLDER [--held-out val]`.

Weizmann and UT-Interaction are split as `splits.json` says, by person and by sequence, LSP-Extended by its test images.
With `--held-out val` the test part is left out altogether and groups of the training part take its place: what
hyperparameters are chosen on. `FOLDER/data.json` is the file; `pfa tables --data FOLDER/data.json --out ...` uses it.
"""

import argparse
import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pretext import part_of
from pfa_core.seeds import generator

ACTION_SETS = ("weizmann", "ut_interaction")
VAL_SHARE = 0.15
"""Of the training people of LSP-Extended, by whole clusters of near-duplicates, where test people are left out."""

Row = tuple[str, str, str, str]
"""file, label, group, split"""


def as_tested(part: str, held_out: str) -> str | None:
    """The split of an item of this part (`train`, `val` or `test`); None: it is left out."""
    if held_out == "test":
        return "test" if part == "test" else "train"
    return {"train": "train", "val": "test", "test": None}[part]


def clip_rows(data: Path, rows: Sequence[dict[str, str]], splits: dict[str, Any], *, held_out: str) -> list[Row]:
    """Clips with their split; a file's path is absolute only in `data.json`, here it is relative to `data`."""
    found = []
    for row in rows:
        split = as_tested(part_of(row, splits), held_out)
        if split is not None and (data / row["file"]).is_file():
            found.append((row["file"], row["label"], row["group"], split))
    return found


def people(data: Path, splits: dict[str, Any], *, held_out: str) -> dict[str, Any]:
    """LSP-Extended's annotations with a split for each person."""
    plain: dict[str, Any] = json.loads((data / "pose_images/lspet/annotations.json").read_text())
    tested = set(splits["lspet"]["test"])
    clusters = sorted({str(p["dup_cluster"]) for p in plain["annotations"] if p["image"] not in tested})
    order = generator(0, 13).permutation(len(clusters))
    val = {clusters[place] for place in order[: round(VAL_SHARE * len(clusters))]}
    kept = []
    for person in plain["annotations"]:
        training = "val" if str(person["dup_cluster"]) in val else "train"
        split = as_tested("test" if person["image"] in tested else training, held_out)
        if split is not None:
            kept.append({**person, "split": split})
    return {**plain, "annotations": kept, "count": len(kept)}


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "label", "group", "split"))
        writer.writerows(rows)


def write(data: Path, out: Path, *, held_out: str) -> Path:
    """Write the annotations and the data file; returns the latter. No video that is tested on is named for learning."""
    out.mkdir(parents=True, exist_ok=True)
    splits = json.loads((data / "splits.json").read_text())
    with (data / "MANIFEST.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "video"]
    clips = {name: clip_rows(data, [row for row in rows if row["dataset"] == name], splits, held_out=held_out)
             for name in ACTION_SETS}  # fmt: skip
    for name, found in clips.items():
        write_csv(out / f"{name}.csv", found)
    unlabelled = [(file, "", group, "") for file, _, group, split in clip_rows(data, rows, splits, held_out=held_out)
                  if split == "train"]  # fmt: skip
    write_csv(out / "videos.csv", unlabelled)
    (out / "people.json").write_text(json.dumps(people(data, splits, held_out=held_out)))
    files = os.path.relpath(data, out)
    plain = {
        "videos": [{"annotations": "videos.csv", "files": files}],
        "action": {name: {"annotations": f"{name}.csv", "files": files} for name in ACTION_SETS},
        "pose": {"lspet": {"annotations": "people.json", "files": f"{files}/pose_images/lspet"}},
        "static": {f"{name}_frames": {"from_action": name} for name in ACTION_SETS},
    }
    path = out / "data.json"
    path.write_text(json.dumps(plain, indent=1) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PFA_TEST_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--held-out", choices=("val", "test"), default="test")
    options = parser.parse_args()
    print(write(options.data, options.out, held_out=options.held_out))


if __name__ == "__main__":
    main()
