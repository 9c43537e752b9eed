"""Every command explains itself, by --help and by -h."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pfa import (
    evaluate_cli,
    finetune_cli,
    flow_cli,
    index_cli,
    predict_cli,
    pretrain_cli,
    retrieve_cli,
    tables_cli,
)
from pfa.cli import app

RECIPES = {
    "flow": flow_cli.app, "pretrain": pretrain_cli.app, "finetune": finetune_cli.app, "evaluate": evaluate_cli.app,
    "tables": tables_cli.app, "predict": predict_cli.app, "index": index_cli.app, "retrieve": retrieve_cli.app,
}  # fmt: skip
"""Commands that a process of their own reads."""
NO_JSON = {"up", "api", "worker"}
"""Those that serve until they are stopped: they make nothing that a program could read at their end."""


def commands(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Names and command; which Click a command is of differs between releases of Typer."""
    yield names, group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


def every() -> dict[tuple[str, ...], Any]:
    return dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("names", every(), ids=" ".join)
def test_a_command_explains_itself(names: tuple[str, ...], flag: str) -> None:
    recipe = RECIPES.get(names[0]) if names else None
    result = CliRunner().invoke(recipe or app, [*([] if recipe else names), flag], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.stdout
    help_text = every()[names].help
    assert help_text, "its docstring is its help"


def test_every_command_that_can_answers_in_json() -> None:
    options = {
        " ".join(names): {option for each in command.params for option in each.opts}
        for names, command in every().items()
        if not hasattr(command, "commands")
    }
    for name, recipe in RECIPES.items():
        options[name] = {option for each in typer.main.get_command(recipe).params for option in each.opts}
    assert {name for name, has in options.items() if "--json" not in has} - {"keys revoke"} == NO_JSON


def test_what_does_not_parse_is_exit_status_2() -> None:
    for arguments in (["jobs", "list", "--limit", "many"], ["nonsense"], ["models", "show"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_a_service_that_is_not_there_is_exit_status_3() -> None:
    for arguments in (["jobs", "list"], ["models", "list"], ["workers"], ["videos", "list"], ["datasets", "list"]):
        result = CliRunner().invoke(app, [*arguments, "--json", "--url", "http://127.0.0.1:1"])
        assert result.exit_code == 3
        assert result.stdout == ""
        assert "pfa up" in result.stderr


def test_an_address_without_a_scheme_is_told() -> None:
    result = CliRunner().invoke(app, ["jobs", "list", "--url", "localhost:8000"])
    assert result.exit_code == 1
    assert "http://" in result.stderr


def test_a_data_folder_that_cannot_be_is_told_in_a_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("data") / "file"
    file.write_text("")
    result = CliRunner().invoke(app, ["packs", "list", "--json"], env={"PFA_DATA_DIR": str(file / "data")})
    assert result.exit_code == 1
    assert "error:" in result.stderr
    assert "Traceback" not in result.output


def test_json_is_json() -> None:
    settings = CliRunner().invoke(app, ["settings", "--json"])
    assert {"variable": "PFA_PORT", "default": "8000"}.items() <= next(
        each for each in json.loads(settings.stdout) if each["variable"] == "PFA_PORT"
    ).items()
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert {"healthy", "findings"} == set(json.loads(result.stdout))
