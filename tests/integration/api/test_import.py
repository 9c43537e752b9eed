"""Data sets in the formats that they are published in, over HTTP and by `pfa import`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pfa_client import Client, ProblemError
from pfa_core.annotations import read_pose_json
from pfa_core.importers.formats import FORMAT_NAMES
from pfa_core.importers.published_joints import published_joints
from tests.integration.api import media
from tests.integration.api.service import Service
from tests.integration.api.test_datasets import items
from tests.unit.pfa_core.importers.published import flic_example, mat, mpii_person, mpii_release, structs

XML = (
    "<annotation><filename>{name}.png</filename><object><name>person</name><actions><jumping>1</jumping></actions>"
    "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>31</xmax><ymax>42</ymax></bndbox></object></annotation>"
)


def pictures(folder: Path, *names: str) -> list[Path]:
    """Images of 90 x 120 px."""
    paths = [folder / name for name in names]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(media.encoded(media.picture(seed=seed)))
    return paths


def flic(folder: Path, **changes: object) -> Path:
    """Two people of one movie, one on each side of the split; joint k is at (2 k, k)."""
    coords = np.full((2, 29), np.nan)
    for column in (1, 2, 4, 5, 7, 10, 17):
        coords[:, column - 1] = 2 * column + 1, column + 1
    shared = {"coords": coords, "imgdims": np.array([120.0, 90.0, 3.0]), "torsobox": np.array([1.0, 1.0, 40.0, 60.0])}
    rows = [
        flic_example(**{**shared, "filepath": "a.png", **changes}),
        flic_example(**{**shared, "filepath": "b.png", "istrain": False, "istest": True}),
    ]
    path = folder / "examples.mat"
    path.write_bytes(mat({"examples": structs(rows)}).data)
    return path


def test_flic_with_a_warning_about_its_split(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    files = pictures(tmp_path, "images/a.png", "images/b.png")
    made = client.create_dataset(name, files=files, root=tmp_path, annotations=flic(tmp_path))
    assert made.joint_names == published_joints("flic-9").joints.names
    assert made.warnings == ("The split is not clean: 1 groups are in training and in test: 12-oclock-high.",)
    first, second = items(service, name)
    assert (first["split"], second["split"], first["group"]) == ("train", "test", "12-oclock-high")
    assert isinstance(first["person"], Mapping)
    assert first["person"]["joints"]["nose"] == [34, 17, 2]
    assert first["person"]["torso_box"] == [0, 0, 40, 60]


def test_joints_outside_the_image_are_told_and_dropped(
    service: Service, client: Client, tmp_path: Path, name: str
) -> None:
    coords = np.full((2, 29), np.nan)
    coords[:, 0], coords[:, 16] = (11, 12), (400, 12)
    files = pictures(tmp_path, "a.png", "b.png")
    made = client.create_dataset(name, files=files, annotations=flic(tmp_path, coords=coords))
    assert made.warnings[1] == "1 joints lie outside their images and do not count: a.png (nose)."
    person = items(service, name)[0]["person"]
    assert isinstance(person, Mapping)
    assert set(person["joints"]) == {"left_shoulder"}


def test_the_wrong_images_are_refused(client: Client, tmp_path: Path, name: str) -> None:
    files = pictures(tmp_path, "a.png", "b.png")
    with pytest.raises(ProblemError, match=r"a\.png: all joints lie outside the image of 90 x 120 px") as refused:
        client.create_dataset(name, files=files, annotations=flic(tmp_path, coords=np.full((2, 29), 5000.0)))
    assert (refused.value.status, refused.value.code) == (422, "annotations_invalid")


def test_missing_images_are_named(client: Client, tmp_path: Path, name: str) -> None:
    with pytest.raises(ProblemError, match=r"1 files that were not sent.*'b\.png'"):
        client.create_dataset(name, files=pictures(tmp_path, "a.png"), annotations=flic(tmp_path))


def test_mpii(client: Client, tmp_path: Path, name: str) -> None:
    release = mpii_release([("a.png", [mpii_person((0, 11.0, 21.0, 1.0))], 1)])
    (tmp_path / "mpii.mat").write_bytes(mat(release).data)
    made = client.create_dataset(name, files=pictures(tmp_path, "a.png"), annotations=tmp_path / "mpii.mat")
    assert (made.num_items, made.joint_names) == (1, published_joints("mpii-16").joints.names)


def test_several_clips_of_jhmdb_find_their_frames(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    """Frames of all clips have the same names; their folders tell them apart, whatever lies above these."""
    clips = ("catch/Ball_catch_f_0", "wave/Sea_wave_u_1")
    frames = pictures(tmp_path, *(f"Rename_Images/{clip}/{n:05}.png" for clip in clips for n in (1, 2)))
    for number, clip in enumerate(clips):
        path = tmp_path / "joint_positions" / clip / "joint_positions.mat"
        path.parent.mkdir(parents=True)
        path.write_bytes(mat({"pos_img": np.full((2, 15, 2), 11.0 + number)}).data)
    made = client.create_dataset(
        name, files=frames, root=tmp_path, annotations=sorted((tmp_path / "joint_positions").rglob("*.mat")),
        annotations_root=tmp_path / "joint_positions",
    )  # fmt: skip
    assert (made.num_items, made.warnings) == (4, ())
    assert [item["group"] for item in items(service, name)] == ["catch/Ball"] * 2 + ["wave/Sea"] * 2


def test_ucf101_lists(service: Service, client: Client, clips: dict[str, Path], tmp_path: Path, name: str) -> None:
    files = []
    for clip, file in (("one", "Biking/v_Biking_g08_c01.avi"), ("two", "Archery/v_Archery_g01_c01.avi")):
        (tmp_path / file).parent.mkdir()
        files.append(tmp_path / file)
        files[-1].write_bytes(clips[clip].read_bytes())
    lists = [tmp_path / "trainlist01.txt", tmp_path / "testlist01.txt", tmp_path / "classInd.txt"]
    lists[0].write_text("Biking/v_Biking_g08_c01.avi 2\n")
    lists[1].write_text("Archery/v_Archery_g01_c01.avi\n")
    lists[2].write_text("1 Archery\n2 Biking\n")
    made = client.create_dataset(name, files=files, root=tmp_path, annotations=lists)
    assert made.labels == ("Archery", "Biking")
    assert [(item["group"], item["split"]) for item in items(service, name)] == [
        ("Biking/g08", "train"),
        ("Archery/g01", "test"),
    ]


def test_voc_actions_keep_the_place_of_the_person(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    files = pictures(tmp_path, "2010_000001.png", "2010_000002.png")
    notes = [tmp_path / f"{file.stem}.xml" for file in files]
    for path in notes:
        path.write_text(XML.format(name=path.stem))
    assert client.create_dataset(name, files=files, annotations=notes).labels == ("jumping",)
    person = items(service, name)[0]["person"]
    assert isinstance(person, Mapping)
    assert person["person_box"] == [1, 2, 30, 40]


def test_folders_only_where_they_are_asked_for(client: Client, tmp_path: Path, name: str) -> None:
    files = pictures(tmp_path, "walk/a.png", "run/b.png")
    assert client.create_dataset(name, files=files, root=tmp_path).labels == ()
    made = client.create_dataset(f"{name}-f", files=files, root=tmp_path, annotations_format="folders")
    assert made.labels == ("run", "walk")


@pytest.mark.parametrize(
    ("annotations", "format_name", "says"),
    [
        (b"file,label\na.png,x\n", "folders", "send no `annotations`"),
        (b"file,label\na.png,x\n", "yaml", "no format 'yaml'"),
        (b"file,label\na.png,x\n", "mpii", "RELEASE"),
        (b"MATLAB 7.3 MAT-file".ljust(600), None, r"version 7\.3"),
        (mat({"examples": 1.0}).data[:150], None, "damaged or cut off"),
        (None, "flic", "is needed"),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: Client, tmp_path: Path, name: str, *, annotations: bytes | None, format_name: str | None, says: str
) -> None:
    notes = tmp_path / "notes"
    notes.write_bytes(annotations or b"")
    with pytest.raises(ProblemError, match=says) as refused:
        client.create_dataset(
            name, files=pictures(tmp_path, "a.png"), annotations=notes if annotations else None,
            annotations_format=format_name,
        )  # fmt: skip
    assert (refused.value.status, refused.value.code) == (422, "annotations_invalid")


def test_people_leave_as_coco(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    client.create_dataset(name, files=pictures(tmp_path, "a.png", "b.png"), annotations=flic(tmp_path))
    with service.http() as http:
        everybody = read_pose_json(http.get(f"/datasets/{name}/coco").content)
        tests = read_pose_json(http.get(f"/datasets/{name}/coco", params={"split": "test"}).content)
        client.create_dataset(f"{name}-p", files=pictures(tmp_path, "c.png"))
        refused = http.get(f"/datasets/{name}-p/coco").json()
    assert [person.image_name for person in everybody.people] == ["a.png", "b.png"]
    assert everybody.joints == published_joints("flic-9").joints
    assert everybody.people[0].joints["nose"] == (34, 17, 2)
    assert [person.image_name for person in tests.people] == ["b.png"]
    assert refused["code"] == "dataset_unsuitable"


def test_the_document_names_the_formats(service: Service) -> None:
    with service.http() as http:
        posted = http.get("/openapi.json").json()["paths"]["/datasets"]["post"]
    fields = posted["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert all(known in fields["format"]["description"] for known in FORMAT_NAMES)
    assert "LSP-Extended" in fields["annotations"]["description"]


def pfa_import(service: Service, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pfa", "import", *map(str, arguments), "--url", service.url]
    environment = {**os.environ, "PFA_KEY": service.key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_sends_a_folder_with_what_was_published(
    service: Service, client: Client, tmp_path: Path, name: str
) -> None:
    pictures(tmp_path, "images/a.png", "images/b.png")
    done = pfa_import(service, tmp_path / "images", "--annotations", flic(tmp_path), "--name", name)
    assert done.returncode == 0, done.stderr
    assert f"{name} (" in done.stdout
    assert "2 items of images" in done.stdout
    assert "warning: The split is not clean" in done.stderr
    assert client.dataset(name).joint_names == published_joints("flic-9").joints.names


def test_the_command_finds_faults_before_it_sends_anything(service: Service, tmp_path: Path, name: str) -> None:
    pictures(tmp_path, "images/a.png")
    (tmp_path / "bad.json").write_text(json.dumps({"annotations": 3}))
    done = pfa_import(service, tmp_path / "images", "--annotations", tmp_path / "bad.json", "--name", name)
    assert done.returncode == 1
    assert "needs a list" in done.stderr
    nothing = pfa_import(service, tmp_path / "bad.json", "--name", name)
    assert nothing.returncode == 1
    assert "holds no images" in nothing.stderr
