"""All that MkDocs needs, in one folder: the pages of the repository, the generated ones, and the order of all."""

import json
import re
import shutil
from pathlib import Path

from docs.generate.commands import command_page
from docs.generate.error_codes import error_page
from docs.generate.http_reference import http_pages, openapi_document
from docs.generate.links import ELSEWHERE, on_the_site
from docs.generate.navigation import navigation
from docs.generate.presets import preset_page

ROOT = Path(__file__).resolve().parents[2]

_DECISIONS = (
    "# Decision records\n\nWhy things are as they are: one page a decision, in the order in which they were made.\n"
)


def make_site(out: Path) -> None:
    """Write `out`/pages and `out`/mkdocs.yml anew, which builds into `out`/site.

    Raises:
        LookupError: the navigation names a page that is not there.
    """
    pages = all_pages()
    folder = out / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    for page, text in pages.items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copytree(ROOT / "docs" / "images", folder / "images")
    config = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": "pages",
        "site_dir": "site",
        "nav": navigation({page: title_of(text) for page, text in pages.items()}),
    }
    (out / "mkdocs.yml").write_text(json.dumps(config, indent=2))  # JSON is YAML


def all_pages() -> dict[str, str]:
    """Path on the site -> Markdown."""
    return {**_written(), **generated()}


def generated() -> dict[str, str]:
    """The pages that are made from the code."""
    http = {f"reference/http/{name}": text for name, text in http_pages(openapi_document()).items()}
    return {
        "reference/errors.md": error_page(),
        "reference/commands.md": command_page(),
        "reference/presets.md": preset_page(),
        "decisions/index.md": _decisions(),
        **http,
    }


def title_of(text: str) -> str:
    """The first heading."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    assert found is not None, "every page has a title"
    return found.group(1).replace("`", "")


def _written() -> dict[str, str]:
    files = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
    pages = {file: file.removeprefix("docs/") for file in files}
    pages |= {file: page for file, page in ELSEWHERE.items() if file != "README.md"}
    return {page: on_the_site((ROOT / file).read_text(), file=file, page=page) for file, page in pages.items()}


def _decisions() -> str:
    found = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    rows = [f"- [{title_of(path.read_text())}]({path.name})" for path in found]
    return _DECISIONS + "\n" + "\n".join(rows) + "\n"
