"""Model cards as pages show them: Markdown without HTML, links, pictures or styles, whoever wrote it."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup


def card_html(text: str) -> Markup:
    """Headings, paragraphs, emphasis, lists, tables and code; everything else is shown as the text that it is.

    An imported model's card was written by a stranger: HTML in it is escaped, and what would make the page ask another
    host (links and pictures) stays text.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "html_block", "html_inline", "reference"])
    tokens = reader.parse(text)
    for token in tokens:
        _without_style(token)
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704  # escaped by the renderer


def _without_style(token: Token) -> None:
    """No attributes (a table's alignment is an inline style), and headings below those of the page."""
    token.attrs = {}
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
