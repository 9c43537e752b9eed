"""The parts that generated pages are made of, on small examples worked out by hand."""

from dataclasses import dataclass

import pytest

from docs.generate.field_notes import field_notes
from docs.generate.links import on_the_site
from docs.generate.markdown import anchor, table
from docs.generate.navigation import SECTIONS, navigation
from docs.generate.schemas import fields_table, type_of


@dataclass
class Noted:
    first: int
    """One
    line."""
    second: int
    third: int = 3
    """Three."""


def test_notes_are_the_strings_below_fields() -> None:
    assert field_notes(Noted) == {"first": "One line.", "third": "Three."}


def test_a_cell_cannot_break_its_table() -> None:
    assert table(("a",), [("x|y\nz",)]) == "| a |\n|---|\n| x\\|y z |"


def test_anchors_are_what_headings_get() -> None:
    assert anchor("Finetuning for `pose`") == "finetuning-for-pose"
    assert anchor("PageRead_JobRead_") == "pageread_jobread_"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0}, "integer >= 0"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/JobRead"}}, "list of [JobRead](schemas.md#jobread)"),
        ({"enum": ["a", "b"], "type": "string"}, "`a`, `b`"),
        ({"type": "string", "format": "binary"}, "file"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({}, "any JSON"),
    ],
)
def test_types_in_words(schema: dict[str, object], words: str) -> None:
    assert type_of(schema) == words


def test_a_field_says_whether_it_may_be_left_out() -> None:
    schema = {
        "properties": {"a": {"type": "string", "description": "A."}, "b": {"type": "boolean", "default": False}},
        "required": ["a"],
    }
    assert fields_table(schema).splitlines()[2:] == [
        "| `a` | string | required | A. |",
        "| `b` | boolean | `false` |  |",
    ]


@pytest.mark.parametrize(
    ("link", "on_site"),
    [
        ("[jobs](../jobs.md#states)", "[jobs](../jobs.md#states)"),
        ("[figures](../../benchmarks/RESULTS.md)", "[figures](../benchmarks.md)"),
        ("[start](../../README.md)", "[start](../index.md)"),
        ("[examples](../../client/examples)", "examples (`client/examples`)"),
        ("[tus](https://tus.io)", "[tus](https://tus.io)"),
        ("[below](#here)", "[below](#here)"),
        ("![curve](../images/a.png)", "![curve](../images/a.png)"),
    ],
)
def test_links_lead_to_the_same_on_the_site(link: str, on_site: str) -> None:
    assert on_the_site(link, file="docs/how-to/videos.md", page="how-to/videos.md") == on_site


def test_no_page_is_lost_and_none_is_made_up() -> None:
    named = {page: page for _, pages in SECTIONS for page in pages}
    placed = navigation({**named, "odd.md": "Odd", "decisions/0001-a.md": "1"})
    pages = [page for section in placed for entries in section.values() for entry in entries for page in entry.values()]
    assert sorted(pages) == sorted([*named, "odd.md", "decisions/0001-a.md"])
    assert next(section["Operate"] for section in placed if "Operate" in section)[-1] == {"Odd": "odd.md"}
    with pytest.raises(LookupError, match=r"quickstart\.md"):
        navigation({page: page for page in named if page != "quickstart.md"})
