"""The order of the pages. What is not named here stands at the end of "Operate", so that no page is lost."""

from collections.abc import Mapping, Sequence

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Start", ("index.md", "quickstart.md", "deployment.md", "console.md", "commands.md", "client.md")),
    (
        "How to",
        (
            "how-to/videos.md", "how-to/datasets.md", "how-to/flow.md", "how-to/pretrain.md", "how-to/finetune-pose.md",
            "how-to/finetune-action.md", "how-to/evaluate.md", "how-to/tables.md", "how-to/predict.md",
            "how-to/collections.md", "how-to/models.md", "how-to/webhooks.md", "how-to/keys.md", "how-to/serving.md",
        ),
    ),
    ("Operate", ("operating.md", "jobs.md", "troubleshooting.md", "scaling.md", "threat-model.md", "security.md")),
    ("Reference", ("configuration.md", "reference/presets.md", "reference/commands.md", "reference/errors.md")),
    ("HTTP reference", ("reference/http/index.md",)),
    ("Background", ("results.md", "benchmarks.md", "paper-map.md", "glossary.md", "tree.md", "changelog.md")),
    ("Decisions", ("decisions/index.md",)),
)  # fmt: skip

_FOLDERS = {"HTTP reference": "reference/http/", "Decisions": "decisions/"}
"""Sections that take every page of a folder."""
_REST = "Operate"
"""The section of pages that nobody placed."""


def navigation(titles: Mapping[str, str]) -> list[dict[str, list[dict[str, str]]]]:
    """MkDocs' `nav` for pages that are there, given as path -> title.

    Raises:
        LookupError: a section names a page that is not there.
    """
    placed: dict[str, list[str]] = {}
    for section, named in SECTIONS:
        missing = [page for page in named if page not in titles]
        if missing:
            raise LookupError(f"section {section!r} names pages that are not there: {', '.join(missing)}")
        folder = _FOLDERS.get(section)
        rest = sorted(page for page in titles if folder and page.startswith(folder) and page not in named)
        placed[section] = [*named, *rest]
    known = {page for pages in placed.values() for page in pages}
    placed[_REST] += sorted(set(titles) - known)
    return [{section: _entries(pages, titles)} for section, pages in placed.items()]


def _entries(pages: Sequence[str], titles: Mapping[str, str]) -> list[dict[str, str]]:
    return [{titles[page]: page} for page in pages]
