"""FLIC, LSP, LSP-Extended, MPII and JHMDB in their published layouts, and what is wrong with bad ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.formats import detect, read_annotations
from pfa_core.importers.imported import Imported
from pfa_core.importers.published_joints import published_joints
from pfa_core.importers.source import Source
from pfa_core.people import Person
from tests.unit.pfa_core.importers.published import flic_example, mat, mpii_person, mpii_release, structs


def people(imported: Imported) -> tuple[Person, ...]:
    assert imported.people is not None
    return imported.people.people


def test_flic_is_read_with_its_nine_joints() -> None:
    source = mat({"examples": structs([flic_example(), flic_example(istrain=False, istest=True, moviename="cars")])})
    found = read_annotations([source])
    assert detect([source]).name == "flic"
    assert found.people is not None
    assert found.people.joints == published_joints("flic-9").joints
    first, second = people(found)
    assert first.image == Path("12-oclock-high-00006361.jpg")
    assert (first.split, first.group, second.split, second.group) == ("train", "12-oclock-high", "test", "cars")
    assert first.joints["left_shoulder"] == (10, 5, 2)
    assert first.joints["right_hip"] == (100, 50, 2)
    assert first.joints["nose"] == (170, 85, 2)
    assert first.torso_box == (10, 20, 100, 200)
    assert found.warnings == ()


def test_all_joints_of_flic_by_name() -> None:
    found = read_annotations([mat({"examples": structs([flic_example()])})], format_name="flic-29")
    (person,) = people(found)
    labelled = {name for name, point in person.joints.items() if point[2]}
    assert len(labelled) == 11
    assert person.joints["right_eye"] == (140, 70, 2)
    assert found.people is not None
    assert len(found.people.joints) == 29


def test_a_movie_on_both_sides_is_told() -> None:
    rows = [flic_example(), flic_example(istrain=False, istest=True), flic_example(istrain=False)]
    found = read_annotations([mat({"examples": structs(rows)})])
    assert len(people(found)) == 2
    assert "1 groups are in training and in test: 12-oclock-high" in found.warnings[0]
    assert "1 examples are in neither split" in found.warnings[1]


def lsp_array(num_people: int) -> np.ndarray[Any, Any]:
    """(3, 14, N): joint k of person n at (k + 1.5, n + 2), flag 1 for the first joint alone."""
    joints = np.zeros((3, 14, num_people))
    joints[0] = np.arange(14)[:, None] + 1.5
    joints[1] = np.arange(num_people)[None, :] + 2
    joints[2, 0] = 1
    return joints


def test_lsp_flags_what_is_occluded() -> None:
    source = mat({"joints": lsp_array(2000)}, "joints.mat")
    assert detect([source]).name == "lsp"
    found = people(read_annotations([source]))
    assert (found[0].image, found[-1].image) == (Path("im0001.jpg"), Path("im2000.jpg"))
    assert found[3].joints["right_ankle"] == (0.5, 4, 1)
    assert found[3].joints["head_top"] == (13.5, 4, 2)
    assert [person.split for person in found] == ["train"] * 1000 + ["test"] * 1000
    assert {person.split for person in people(read_annotations([mat({"joints": lsp_array(5)})]))} == {None}


def test_lsp_extended_flags_what_is_labelled() -> None:
    source = mat({"joints": lsp_array(3).transpose(1, 0, 2)}, "joints.mat")
    assert detect([source]).name == "lspet"
    found = people(read_annotations([source]))
    assert (found[2].image, found[2].split) == (Path("im00003.jpg"), "train")
    assert {name: point for name, point in found[2].joints.items() if point[2]} == {"right_ankle": (0.5, 3, 2)}


def test_one_person_alone_keeps_the_axes() -> None:
    assert len(people(read_annotations([mat({"joints": lsp_array(1)})]))) == 1


def test_mpii_people_points_and_boxes() -> None:
    full = mpii_person((0, 11.0, 21.0, 0.0), (9, 31.0, 41.0, np.empty((0, 0))), (13, 51.0, 61.0, "1"), (2, 1, 1, 1.0))
    release = mpii_release([("a.jpg", [full, mpii_person()], 1), ("b.jpg", [], 1), ("c.jpg", [mpii_person()], 0)])
    source = mat(release)
    assert detect([source]).name == "mpii"
    found = read_annotations([source])
    (person,) = people(found)
    assert person.joints == {
        "right_ankle": (10, 20, 1), "head_top": (30, 40, 2), "left_shoulder": (50, 60, 2), "right_hip": (0, 0, 2),
    }  # fmt: skip
    assert person.person_box == (100, 50, 400, 400)
    assert (person.split, person.group) == ("train", "video 7")
    assert found.warnings == ("2 people without labelled joints were left out.",)


def test_mpii_agrees_with_the_samples_of_another_tool(test_data: Path) -> None:
    """mmpose's own conversion of MPII: written back into the published layout, it is read as it was."""
    (native,) = [Source("a.json", (test_data / "pose_images/mmpose_samples/annotations.json").read_bytes())]
    everybody = people(read_annotations([native]))
    theirs = [person for person in everybody if "mpii" in person.image_name]
    names = published_joints("mpii-16").joints.names
    assert theirs
    assert all(set(person.joints) == set(names) for person in theirs)
    rows = [
        (person.image_name, [mpii_person(*[(names.index(name), x + 1, y + 1, float(visible > 1))
         for name, (x, y, visible) in person.joints.items() if visible])], 1)
        for person in theirs
    ]  # fmt: skip
    ours = people(read_annotations([mat(mpii_release(rows))]))
    for person, original in zip(ours, theirs, strict=True):
        assert person.image_name == original.image_name
        assert person.joints == {name: pytest.approx(point) for name, point in original.joints.items() if point[2]}


def test_jhmdb_takes_clip_and_class_from_the_folders() -> None:
    places = np.arange(2 * 15 * 3, dtype=float).reshape(2, 15, 3) + 1
    sources = [
        mat(
            {"pos_img": places, "scale": np.ones((1, 3))}, f"joint_positions/catch/Ball_catch_f_{n}/joint_positions.mat"
        )
        for n in range(2)
    ]
    assert detect(sources).name == "jhmdb"
    found = people(read_annotations(sources))
    assert len(found) == 6
    assert found[4].image == Path("catch/Ball_catch_f_1/00002.png")
    assert found[4].joints["neck"] == (1, 46, 2)
    assert {person.group for person in found} == {"catch/Ball"}
    with pytest.raises(AnnotationsInvalid, match="with its folders"):
        read_annotations([Source("a.mat", sources[0].data), Source("b.mat", sources[1].data)])


def test_jhmdb_joints_are_those_of_the_samples(test_data: Path) -> None:
    data = (test_data / "pose_images/mmpose_samples/annotations.json").read_bytes()
    theirs = [person for person in people(read_annotations([Source("a", data)])) if "jhmdb" in person.image_name]
    assert theirs
    for person in theirs:
        assert tuple(person.joints) == published_joints("jhmdb-15").joints.names
        places = np.array([point[:2] for point in person.joints.values()])  # (15, 2)
        found = people(read_annotations([mat({"pos_img": places.T + 1})]))
        assert found[0].joints == {name: pytest.approx(point) for name, point in person.joints.items()}


EXAMPLE = flic_example()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (mat({"examples": structs([{"coords": 1.0, "filepath": "a"}])}), "lacks the fields torsobox"),
        (mat({"examples": structs([EXAMPLE | {"coords": np.ones((2, 9))}])}), "2 x 29 numbers, not 2 x 9"),
        (mat({"examples": structs([EXAMPLE | {"coords": "x"}])}), "2 x 29"),
        (mat({"examples": structs([EXAMPLE | {"filepath": "../a.jpg"}])}), "relative"),
        (mat({"examples": structs([EXAMPLE | {"filepath": 3.0}])}), "must be a text"),
        (mat({"examples": structs([EXAMPLE | {"istest": True}])}), "both splits"),
        (mat({"examples": structs([EXAMPLE | {"coords": np.full((2, 29), 1e9)}])}), "not a place"),
        (mat({"joints": np.full((14, 3, 2), 1e9)}), "not a place"),
        (mat({"joints": np.ones((5, 5))}), "variables: joints"),
        (mat({"other": 1.0, "thing": "x"}), "variables: other, thing"),
        (mat(mpii_release([("a.jpg", [mpii_person((16, 1.0, 2.0, 1.0))], 1)])), "no joint 16"),
        (mat(mpii_release([("a.jpg", [mpii_person((1, 1.0, 2.0, 1.0), scale=1e9)], 1)])), "scale"),
        (mat({"RELEASE": 1.0}), "array of structs"),
        (mat({"RELEASE": structs([{"annolist": 1.0}])}), "lacks the fields img_train"),
        (mat({"pos_img": np.ones((3, 15, 2))}), "2 x 15 x n numbers, not 3 x 15 x 2"),
    ],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(source: Source, says: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=says):
        read_annotations([source])


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused(seed: int) -> None:
    """Whatever becomes of the numbers and names in a file, there are people or a reason."""
    rng = np.random.default_rng(seed)
    wholes = [
        mat({"examples": structs([EXAMPLE])}, compressed=False),
        mat(mpii_release([("a.jpg", [mpii_person((0, 1.0, 2.0, 1.0))], 1)]), compressed=False),
        mat({"joints": lsp_array(2)}, compressed=False),
    ]
    outcomes: set[type] = set()
    for whole in wholes:
        for _ in range(150):
            damaged = bytearray(whole.data)
            for place in rng.integers(128, len(damaged), rng.integers(1, 4)):
                damaged[place] ^= 1 << int(rng.integers(0, 8))
            try:
                outcomes.add(type(read_annotations([Source("a.mat", bytes(damaged))])))
            except AnnotationsInvalid:
                outcomes.add(AnnotationsInvalid)
    assert outcomes == {Imported, AnnotationsInvalid}


def test_real_people_of_lsp_extended_come_back(test_data: Path) -> None:
    """The part of LSP-Extended that was converted by another tool, put back into the array that it was taken from."""
    native = Source("a.json", (test_data / "pose_images/lspet/annotations.json").read_bytes())
    theirs = {person.image_name: person for person in people(read_annotations([native]))}
    names = published_joints("lsp-14").joints.names
    joints = np.zeros((14, 3, 10_000))
    for file, person in theirs.items():
        for name, (x, y, visible) in person.joints.items():
            joints[names.index(name), :, int(file[2:7]) - 1] = x + 1, y + 1, visible > 0
    ours = {person.image_name: person for person in people(read_annotations([mat({"joints": joints})]))}
    assert len(ours) == 10_000
    for file, person in theirs.items():
        labelled = {name: pytest.approx(point) for name, point in person.joints.items() if point[2]}
        assert {name: point for name, point in ours[file].joints.items() if point[2]} == labelled
