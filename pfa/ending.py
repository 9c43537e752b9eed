"""How a command ends: with a document of what it made, for people or for programs."""

from typing import Any

from pfa.console import announce, out
from pfa.remote import print_json

Document = dict[str, Any]
"""What a command tells at its end; plain values."""


def tell(document: Document, *, as_json: bool) -> None:
    """Print the document: a line a member, or as JSON. `left_out` is told on stderr, as code and message of each."""
    for left in document.get("left_out", ()):
        announce(f"left out: {left['name']}: {left['message']}")
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if name != "left_out":
            out.print(f"{name}: {_shown(value)}", markup=False, highlight=False)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items() if not isinstance(each, dict | list))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
