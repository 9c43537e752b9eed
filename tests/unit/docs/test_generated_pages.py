"""Generated pages say all that the code has: calls, errors, commands, configurations."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from docs.generate.commands import RECIPES, command_page, commands
from docs.generate.error_codes import error_page
from docs.generate.http_reference import curl_of, http_pages, openapi_document, operations
from docs.generate.presets import PRESETS, preset_page
from pfa.cli import app
from pfa_core.errors import PfaError
from tests.unit.api.test_problems import leaves


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture(scope="module")
def http(document: dict[str, Any]) -> dict[str, str]:
    return http_pages(document)


def test_every_call_has_its_section_with_scope_and_answers(document: dict[str, Any], http: dict[str, str]) -> None:
    text = "\n".join(http.values())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found = re.search(rf"^## {method.upper()} {re.escape(path)} \{{.*?(?=^## |\Z)", text, re.M | re.S)
            assert found is not None, f"{method} {path}"
            section = found.group()
            needed = {scope for way in operation.get("security", []) for scopes in way.values() for scope in scopes}
            assert all(f"Scope: `{scope}`" in section for scope in needed)
            assert needed or "Needs no key" in section
            assert all(status in section for status in operation["responses"])
            assert all(f"`{one['name']}`" in section for one in operation.get("parameters", []))


def test_every_schema_and_field_is_told(document: dict[str, Any], http: dict[str, str]) -> None:
    for name, schema in document["components"]["schemas"].items():
        found = re.search(rf"^## {re.escape(name)}$.*?(?=^## |\Z)", http["schemas.md"], re.M | re.S)
        assert found is not None, name
        assert all(f"| `{field}` |" in found.group() for field in schema.get("properties", {}))


def test_examples_are_commands_that_a_shell_reads(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        words = shlex.split(curl_of(method, path, operation, document))
        assert words[0] == "curl"
        assert not re.search(r"[{}]", words[-1]), "every part of the path is filled in"
        assert ("$AUTH" in words) == bool(operation.get("security"))
        for one in operation.get("parameters", []):
            if one["required"] and one["in"] == "header":
                assert any(word.startswith(f"{one['name']}: ") for word in words)


def test_every_error_has_its_line() -> None:
    page = error_page()
    for kind in leaves(PfaError):
        assert re.search(rf"^\| `{kind.code}` \| \d{{3}} [^|]+ \| \S[^|]+ \|$", page, re.M), kind.code


@pytest.fixture(scope="module")
def told_commands() -> str:
    return command_page()


@pytest.mark.parametrize("names", [names for names, _ in commands()], ids=" ".join)
def test_a_command_has_its_section_with_all_that_its_help_names(names: tuple[str, ...], told_commands: str) -> None:
    found = re.search(rf"^## pfa {' '.join(names)}$.*?(?=^## |\Z)", told_commands, re.M | re.S)
    assert found is not None
    recipe = RECIPES.get(names[0])
    told = CliRunner().invoke(recipe or app, [*([] if recipe else names), "--help"], env={"COLUMNS": "250"}).stdout
    flags = set(re.findall(r"(?<=\s)--[a-z][a-z-]+", told)) - {"--help", "--install-completion", "--show-completion"}
    options = re.findall(r"^\| (.*?) \|", found.group(), re.M)
    assert flags <= set(re.findall(r"--[a-z][a-z-]+", " ".join([*options, found.group()])))


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in a configuration."""
    for name, one in dataclasses.asdict(value).items():
        below = getattr(value, name)
        if dataclasses.is_dataclass(below):
            yield from flat(below, f"{prefix}{name}.")
        else:
            yield prefix + name, one


@pytest.mark.parametrize(("title", "module"), PRESETS, ids=[title for title, _ in PRESETS])
def test_every_value_of_a_recipe_is_told_for_both_presets(title: str, module: Any) -> None:
    found = re.search(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", preset_page(), re.M | re.S)
    assert found is not None
    rows = {row.split("|")[1].strip(" `"): row for row in found.group().splitlines() if row.startswith("| `")}
    small, paper = dict(flat(module.small())), dict(flat(module.paper()))
    assert set(rows) == set(small) == set(paper)
    for name, row in rows.items():
        shown = [cell.strip(" `") for cell in row.split("|")[-3:-1]]
        assert shown == [repr(list(one) if isinstance(one, tuple) else one) for one in (small[name], paper[name])]


def test_the_paper_is_named_where_a_value_is_the_papers() -> None:
    row = next(line for line in preset_page().splitlines() if line.startswith("| `gap_frames` "))
    assert "paper section 3, Implementation Details" in row.split("|")[5]
