"""What the documents name exists, and what they generate is up to date."""

import ast
import re
from pathlib import Path

import pytest

from pfa.settings_table import settings_table

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "client" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACES = sorted(set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.py)(?::(\w+))?`", (ROOT / "docs/paper-map.md").read_text())))


def test_the_map_names_something() -> None:
    assert len(PLACES) > 30


@pytest.mark.parametrize(("path", "symbol"), PLACES)
def test_every_place_of_the_paper_map_exists(path: str, symbol: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert not symbol or symbol in defined


def test_the_settings_of_the_documents_are_those_of_the_code() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    between = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", page, re.DOTALL)
    assert between is not None
    assert between.group(1) == settings_table()


@pytest.mark.parametrize("path", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES])
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    made = re.compile(r"(\.\./)*reference/[\w/-]+\.md")  # of the site, where building it checks them
    assert [
        link for link in links if "://" not in link and not (path.parent / link).exists() and not made.match(link)
    ] == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_the_tests_that_pages_name_are_there() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for named in re.findall(r"`(tests/[\w/.]+)`", page.read_text()):
            assert (ROOT / named).exists(), f"{page.name} names {named}"
