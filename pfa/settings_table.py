"""The settings as a Markdown table, made from the class that reads them."""

from pathlib import Path

from pfa_store.settings import Settings


def settings_list() -> list[dict[str, str]]:
    """Variable, default and meaning of each setting."""
    return [
        {"variable": f"PFA_{name.upper()}", "default": _plain(field.default), "what": field.description or ""}
        for name, field in Settings.model_fields.items()
    ]


def settings_table() -> str:
    """One row a setting: its environment variable, its default and what it does."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for each in settings_list():
        default = f"`{each['default']}`" if each["default"] else ""
        rows.append(f"| `{each['variable']}` | {default} | {each['what']} |")
    return "\n".join(rows)


def _plain(default: object) -> str:
    if default is None:
        return ""
    return default.as_posix() if isinstance(default, Path) else str(default)
