"""Links that lead out of the pages: to a file that is a page of the site, or to one that is only in the repository."""

import posixpath
import re

ELSEWHERE = {
    "README.md": "index.md",
    "client/README.md": "client.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository -> the page that they become, or that stands for them."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_the_site(text: str, *, file: str, page: str) -> str:
    """The text of `file` (in the repository) with links as they have to be on `page` (of the site).

    Links to files that are no pages become the text and the file's path.
    """

    def changed(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        path, _, fragment = target.partition("#")
        if "://" in target or not path:
            return match.group()
        leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        if leads_to in ELSEWHERE:
            new = ELSEWHERE[leads_to]
        elif leads_to.startswith("docs/"):
            new = leads_to.removeprefix("docs/")
        else:
            return f"{words} (`{leads_to}`)" if words.strip("`") != leads_to else f"`{leads_to}`"
        near = posixpath.relpath(new, posixpath.dirname(page) or ".")
        return f"{image}[{words}]({near}{'#' + fragment if fragment else ''})"

    return _LINK.sub(changed, text)
