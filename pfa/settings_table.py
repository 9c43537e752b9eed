"""The settings as a Markdown table, made from the class that reads them."""

from pathlib import Path

from pfa_store.settings import Settings


def settings_table() -> str:
    """One row a setting: its environment variable, its default and what it does."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `PFA_{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default in ("", None):
        return ""
    return f"`{default.as_posix() if isinstance(default, Path) else default}`"
