"""Commands, calls, codes and messages that the pages name are those of the code, also where no test types them."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from docs.generate.commands import commands
from docs.generate.error_codes import error_page
from docs.generate.http_reference import openapi_document
from tests.documents import ROOT

PAGES = [ROOT / "README.md", ROOT / "client" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONS: dict[tuple[str, ...], set[str]] = {
    names: {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
    for names, command in commands()
}
_CALL = re.compile(r"\$URL(/[\w/.{}$-]*)|`(?:GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)")


def typed() -> list[tuple[str, str]]:
    """(page, command line) of every `pfa ...` in the blocks of the pages."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            lines = [line.partition("  #")[0] for line in block.replace("\\\n", " ").splitlines()]
            found += [(page.name, part) for line in lines for part in re.findall(r"(?:^|&& )pfa ([^|&]+)", line)]
    return found


def test_pages_have_commands() -> None:
    assert len(typed()) > 40


@pytest.mark.parametrize(("page", "line"), typed())
def test_a_command_and_its_options_exist(page: str, line: str) -> None:
    words = line.replace("[", " ").replace("]", " ").split()
    names = next((names for names in OPTIONS if tuple(words[: len(names)]) == names), None)
    assert names is not None, f"{page}: there is no pfa {line}"
    assert {word for word in words if re.match(r"--?[a-z]", word)} <= OPTIONS[names], f"{page}: pfa {line}"


@pytest.fixture(scope="module")
def paths() -> list[re.Pattern[str]]:
    """The paths of the service."""
    document: dict[str, Any] = openapi_document()
    return [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in document["paths"]]


@pytest.mark.parametrize("page", [page for page in PAGES if _CALL.search(page.read_text())], ids=lambda page: page.name)
def test_calls_go_to_paths_that_exist(page: Path, paths: list[re.Pattern[str]]) -> None:
    called = {first or second for first, second in _CALL.findall(page.read_text())} - {"/", ""}
    called = {path.replace("...", "x").rstrip(".") for path in called}
    assert [path for path in sorted(called) if not any(known.fullmatch(path) for known in paths)] == []


def test_codes_of_symptoms_exist() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    named = set(re.findall(r"\| (?:\d{3}|`failed`,) `(\w+)`", text))
    assert len(named) > 20
    assert named <= set(re.findall(r"^\| `(\w+)`", error_page(), re.MULTILINE))


def test_messages_of_symptoms_are_in_the_code() -> None:
    said = set()
    for package in ("pfa_core", "pfa_store", "api", "workers", "pfa"):
        for path in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text()))
            said |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    quoted = re.findall(
        r'"([A-Z][^"|]{12,}|\.\.\. [^"|]+|there is[^"|]+)"', (ROOT / "docs/troubleshooting.md").read_text()
    )
    assert len(quoted) > 8
    for message in quoted:
        for part in filter(None, (piece.strip(" .:") for piece in message.split("..."))):
            assert any(part in one for one in said), f"nothing says {part!r}"
