"""UCF101, HMDB51, PASCAL VOC action and folders: labels, groups and splits, and what is wrong with bad files."""

from collections.abc import Sequence

import pytest

from pfa_core.annotations import FileLabel
from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.folders import read_folders
from pfa_core.importers.formats import detect, read_annotations
from pfa_core.importers.source import Source

TRAIN = Source("trainlist01.txt", b"Archery/v_Archery_g08_c01.avi 3\r\nBiking/v_Biking_g09_c02.avi 11\r\n")
TEST = Source("testlist01.txt", b"Archery/v_Archery_g01_c01.avi\nBiking/v_Biking_g01_c05.avi\n")
CLASSES = Source("classInd.txt", b"3 Archery\n11 Biking\n")

BRUSH = Source(
    "brush_hair_test_split1.txt",
    b"April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \nApril_09_brush_hair_u_nm_np1_ba_goo_1.avi 0 \n"
    b"Haare (1)_brush_hair_h_nm_np1_fr_med_0.avi 2 \n",
)
WAVE = Source("wave_test_split1.txt", b"April_09_wave_u_nm_np1_fr_goo_0.avi 2 \n")

OBJECT = """<object><name>person</name><actions><jumping>{jumping}</jumping><running>{running}</running></actions>
<bndbox><xmax>{right}</xmax><xmin>11</xmin><ymax>60</ymax><ymin>21</ymin></bndbox></object>"""


def voc(*people: str, name: str = "2010_006215") -> Source:
    text = f"<annotation><filename>{name}.jpg</filename>{''.join(people)}</annotation>"
    return Source(f"Annotations/{name}.xml", text.encode())


def person(jumping: int = 0, running: int = 0, right: object = 110) -> str:
    return OBJECT.format(jumping=jumping, running=running, right=right)


def test_ucf101() -> None:
    sources = [CLASSES, TRAIN, TEST]
    assert detect(sources).name == "ucf101"
    found = read_annotations(sources)
    assert found.labels[:3] == (
        FileLabel(file="Archery/v_Archery_g08_c01.avi", label="Archery", group="Archery/g08", split="train"),
        FileLabel(file="Biking/v_Biking_g09_c02.avi", label="Biking", group="Biking/g09", split="train"),
        FileLabel(file="Archery/v_Archery_g01_c01.avi", label="Archery", group="Archery/g01", split="test"),
    )
    assert found.warnings == ()


def test_a_group_on_both_sides_of_ucf101_is_told() -> None:
    leak = Source("testlist01.txt", b"Archery/v_Archery_g08_c07.avi\nBiking/v_Biking_g08_c05.avi\n")
    (warning,) = read_annotations([TRAIN, leak]).warnings
    assert warning == "The split is not clean: 1 groups are in training and in test: Archery/g08."


def test_hmdb51() -> None:
    assert detect([BRUSH, WAVE]).name == "hmdb51"
    found = read_annotations([BRUSH, WAVE])
    assert found.labels == (
        FileLabel(file="April_09_brush_hair_u_nm_np1_ba_goo_0.avi", label="brush_hair", group="brush_hair/April_09",
                  split="train"),
        FileLabel(file="Haare (1)_brush_hair_h_nm_np1_fr_med_0.avi", label="brush_hair", group="brush_hair/Haare (1)",
                  split="test"),
        FileLabel(file="April_09_wave_u_nm_np1_fr_goo_0.avi", label="wave", group="wave/April_09", split="test"),
    )  # fmt: skip
    assert found.warnings == ()


def test_voc_action_labels_people_with_their_boxes() -> None:
    lists = [Source("ImageSets/Action/test.txt", b"2010_006215  1\n2010_006215 2\n")]
    sources = [voc(person(jumping=1), person(), person(1, 1)), *lists]
    assert detect(sources).name == "voc-action"
    found = read_annotations(sources)
    expected = FileLabel(
        file="2010_006215.jpg", label="jumping", group="2010_006215.jpg", split="test", person_box=(10, 20, 100, 40)
    )
    assert found.labels == (expected, expected)
    assert "1 people have several actions" in found.warnings[0]


def test_pictures_of_different_actions_are_told() -> None:
    found = read_annotations([voc(person(jumping=1), person(running=1))])
    assert [label.label for label in found.labels] == ["jumping", "running"]
    assert "1 pictures show people with different actions" in found.warnings[0]


def test_folders_are_classes() -> None:
    assert read_folders(["walk/a.avi", "test/run/b.avi", "set/train/run/c.avi"]) == (
        FileLabel(file="walk/a.avi", label="walk"),
        FileLabel(file="test/run/b.avi", label="run", split="test"),
        FileLabel(file="set/train/run/c.avi", label="run", split="train"),
    )
    with pytest.raises(AnnotationsInvalid, match=r"1 files lie in no folder.*: b\.avi"):
        read_folders(["walk/a.avi", "b.avi"])


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([CLASSES], "labels nothing"),
        ([TRAIN, Source("classInd.txt", b"3 Archery\n")], "class 'Biking'.*not in the list"),
        ([TRAIN, Source("classInd.txt", b"3 Archery\n12 Biking\n")], "number 11, and 'Biking' is number 12"),
        ([TRAIN, Source("trainlist02.txt", TRAIN.data)], "named twice"),
        ([TRAIN, BRUSH], "several formats"),
        ([Source("split.txt", BRUSH.data)], "class is unknown"),
        ([BRUSH, Source("wave_test_split2.txt", WAVE.data)], "several splits"),
        ([BRUSH, BRUSH], "twice"),
        ([voc()], "no person with an action"),
        ([voc(person(jumping=1, right="wide"))], "bndbox"),
        ([Source("a.xml", b"<annotation><filename>a.jpg</filename>")], "does not read"),
        ([Source("a.xml", b"<annotation/>")], "<filename> is needed"),
        ([Source("a.xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><annotation/>')], "entities"),
        ([Source("a.xml", b"<annotation>" + b" " * 2**20)], "at most"),
        ([voc(person(jumping=1)), Source("all.txt", b"2010_006215 1")], "name the list"),
        ([Source("train.txt", b"2010_006215 1"), Source("val.txt", b"2010_006215 1")], "lists of train and of val"),
        ([Source("a.txt", b"\xff\xfe\xff")], "UTF-8"),
        ([Source("a.txt", b"")], "column"),
        ([], "no annotation file"),
    ],
)  # fmt: skip
def test_bad_files_say_what_is_wrong(sources: Sequence[Source], says: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=says):
        read_annotations(sources)


@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "voc-action", "csv", "native", "coco", "flic", "lsp", "mpii"])
def test_a_named_format_is_insisted_on(name: str) -> None:
    """Words that are of no format, read as any of them."""
    with pytest.raises(AnnotationsInvalid):
        read_annotations([Source("notes.txt", b"Nothing of the kind.\nReally.\n")], format_name=name)


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(AnnotationsInvalid, match="no format 'yaml'; there are: flic, flic-29, lsp"):
        read_annotations([TRAIN], format_name="yaml")
