"""The documentation as `make docs` builds it: without a warning, and with nothing from another host."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate.site import ROOT, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    out = tmp_path_factory.mktemp("docs")
    make_site(out)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(out / "mkdocs.yml")],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    return out / "site"


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    loaded = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\ssrc=\"?https?:|<link\b[^>]*\shref=\"?(?:https?:)?//")
    assert [page.name for page in pages if loaded.search(page.read_text())] == []
    sheets = list(site.rglob("*.css"))
    assert sheets
    assert not [
        sheet.name for sheet in sheets if re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text())
    ]


def test_no_page_wants_a_script_from_elsewhere(site: Path) -> None:
    """Material would fetch mermaid from another host for a page with such a diagram."""
    assert not [page.name for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text()]


def test_every_page_of_the_repository_is_on_the_site(site: Path) -> None:
    written = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert written <= {path.relative_to(site) for path in site.rglob("*.html")}
