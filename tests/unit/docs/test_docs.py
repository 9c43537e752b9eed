"""What the documents name exists, and what they generate is up to date."""

import ast
import re
from pathlib import Path

import pytest

from pfa.settings_table import settings_table

ROOT = Path(__file__).resolve().parents[3]
PLACES = sorted(set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.py)(?::(\w+))?`", (ROOT / "docs/paper-map.md").read_text())))


def test_the_map_names_something() -> None:
    assert len(PLACES) > 30


@pytest.mark.parametrize(("path", "symbol"), PLACES)
def test_every_place_of_the_paper_map_exists(path: str, symbol: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert not symbol or symbol in defined


def test_the_settings_of_the_readme_are_those_of_the_code() -> None:
    readme = (ROOT / "README.md").read_text()
    between = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", readme, re.DOTALL)
    assert between is not None
    assert between.group(1) == settings_table()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_tests_that_pages_name_are_there() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for named in re.findall(r"`(tests/[\w/.]+)`", page.read_text()):
            assert (ROOT / named).exists(), f"{page.name} names {named}"
