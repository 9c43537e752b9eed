"""The command-line reference, from the Typer applications."""

from collections.abc import Iterator
from typing import Any

import typer

from docs.generate.markdown import block, code, table
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

RECIPES: dict[str, typer.Typer] = {
    "flow": flow_cli.app, "pretrain": pretrain_cli.app, "finetune": finetune_cli.app, "evaluate": evaluate_cli.app,
    "tables": tables_cli.app, "predict": predict_cli.app, "index": index_cli.app, "retrieve": retrieve_cli.app,
}  # fmt: skip
"""Commands that a process of their own reads, by applications of their own."""

_COMPLETION = frozenset({"install_completion", "show_completion"})
"""Options that Typer adds to recipes, of which the shell knows nothing."""

_HEAD = """# Commands

Every command and its options, made from the commands themselves; `-h` or `--help` tells the same. Exit status: 0; 1, it
cannot be done; 2, the command line does not parse; 3, the service does not answer; 130, Ctrl-C.
"""


def command_page() -> str:
    """One section a command."""
    parts = [_HEAD.rstrip()]
    for names, command in commands():
        parts += _section(names, command)
    return "\n\n".join(part for part in parts if part) + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Names and command of all that `pfa` does; which Click a command is of differs between releases of Typer."""
    for names, command in _below(typer.main.get_command(app)):
        recipe = RECIPES.get(names[0])
        yield names, command if recipe is None else typer.main.get_command(recipe)


def _below(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401  # see `commands`
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _below(command, *names, name)
        else:
            yield (*names, name), command


def _section(names: tuple[str, ...], command: Any) -> Iterator[str]:  # noqa: ANN401  # see `commands`
    name = " ".join(("pfa", *names))
    yield f"## {name}"
    yield (command.help or "").replace("\b", "").strip()
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name not in _COMPLETION]
    shown = [_placeholder(one) for one in arguments]
    yield block(" ".join([name, *shown, *(["[OPTIONS]"] if options else [])]))
    if arguments:
        yield table(("argument", "what"), [(_placeholder(one), one.help or "") for one in arguments])
    if options:
        yield table(("option", "default", "what"), [_option(one) for one in options])


def _placeholder(argument: Any) -> str:  # noqa: ANN401  # see `commands`
    shown = str(argument.name).upper() + ("..." if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def _option(option: Any) -> tuple[str, str, str]:  # noqa: ANN401  # see `commands`
    flags = ", ".join(code(flag) for flag in (*option.opts, *option.secondary_opts))
    default = option.default
    if option.required:
        shown = "required"
    elif default in (None, False, (), []) or callable(default) or "Sentinel" in type(default).__name__:
        shown = ""
    else:
        shown = code(getattr(default, "value", default))
    variable = f" Also `{option.envvar}`." if isinstance(option.envvar, str) else ""
    return flags, shown, f"{option.help or ''}{variable}"
