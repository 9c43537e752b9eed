"""The commands that README.md and docs/quickstart.md show, and those of them that no test types as they stand."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/quickstart.md")

NOT_TYPED = {
    "make demo": "ten minutes; tests/e2e/test_demo.py runs the same with less to compute",
    "make up": "the test starts `pfa up` itself, which is all that it does, to wait for it and to end it",
    "make test": "it would run this list's own test; .ci/run runs it",
    "docker compose up --detach": "needs Docker; tests/stack/test_compose.py runs it",
    ". .venv/bin/activate": "the tests have an environment already",
}
"""The first words of blocks that are not run -> why, and what runs them instead."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = frozenset({"sh", "bash", "shell", "console"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of commands."""

    document: str
    text: str

    @property
    def not_typed(self) -> str | None:
        """The entry of NOT_TYPED that keeps it from being run."""
        return next((start for start in NOT_TYPED if re.match(re.escape(start) + r"(\s|$)", self.text)), None)


def blocks(document: str) -> list[Block]:
    """Every block of commands of a document, in its order."""
    found = _FENCE.findall((ROOT / document).read_text())
    return [Block(document=document, text=text) for language, text in found if language in SHELL]


def script(document: str) -> str:
    """All that is to be typed of a document, as one script."""
    return "\n".join(block.text for block in blocks(document) if block.not_typed is None)


def languages(document: str) -> set[str]:
    """The languages of all its fenced blocks; nothing for plain text."""
    return {language for language, _ in _FENCE.findall((ROOT / document).read_text())}
