"""No command of README and quickstart escapes: each is run by tests/e2e/test_documents.py, or says why it is not."""

import re
import subprocess

import pytest

from tests.documents import DOCUMENTS, NOT_TYPED, ROOT, blocks, languages, script

COMMANDS = re.compile(r"^\s*(\$ )?(make|pfa|curl|docker|pip|python3?) ", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_stand_in_blocks_that_are_run(document: str) -> None:
    assert languages(document) <= {"", "sh", "json"}, "commands are marked `sh`"
    text = (ROOT / document).read_text()
    outside = re.sub(r"^```sh\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    plain = "\n".join(re.findall(r"^```\w*\n(.*?)^```$", outside, re.MULTILINE | re.DOTALL))
    assert not COMMANDS.search(plain), "a block of plain text has commands"


def test_the_documents_have_commands_to_run() -> None:
    assert all(len(script(document).splitlines()) > 20 for document in DOCUMENTS)


def test_what_is_not_typed_is_there_and_is_alone() -> None:
    kept = [block for document in DOCUMENTS for block in blocks(document) if block.not_typed]
    assert {block.not_typed for block in kept} == set(NOT_TYPED), "an entry that no document has is to be deleted"
    for block in kept:
        lines = [line.partition("#")[0].strip() for line in block.text.splitlines()]
        assert set(filter(None, lines)) <= {
            *NOT_TYPED, "docker compose exec api cat /data/admin.key", "make check"
        }, "what can be run stands in a block of its own"  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_shell_reads_what_is_typed(document: str) -> None:
    subprocess.run(["bash", "-n"], input=script(document), text=True, check=True)


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for named in re.findall(r"(?:^|`)make ([a-z][\w-]*)", path.read_text(), re.MULTILINE):
            assert named in targets, f"{path.name} names make {named}"
