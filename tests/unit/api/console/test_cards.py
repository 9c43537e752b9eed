"""Model cards: structure is kept, everything that a stranger could do harm with is text."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console.cards import card_html

ALLOWED = {
    "p", "h3", "h4", "h5", "h6", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "table",
    "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


class Elements(HTMLParser):
    """Every element of a document with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "[click](javascript:alert(1))",
        "[click](https://evil.example)",
        "![x](https://evil.example/pixel.png)",
        "<https://evil.example>",
        "[ref]\n\n[ref]: javascript:alert(1)",
        "|a|b|\n|:-:|--:|\n|<b onclick=x>|2|",
        "```<script>\n</code><script>alert(1)</script>\n```",
        "# <svg/onload=alert(1)>",
        "&lt;script&gt; &#60;script&#62;",
        "<!-- <script> -->",
    ],
)
def test_what_a_stranger_wrote_is_only_text(hostile: str) -> None:
    elements = Elements(card_html(hostile)).found
    assert {tag for tag, _ in elements} <= ALLOWED
    assert all(attributes == [] for tag, attributes in elements if tag != "code")
    assert all(set(dict(attributes)) <= {"class"} for _, attributes in elements)


@given(st.text(alphabet="<>&\"'`[]()!|-:#*\n /ab=", max_size=80))
def test_no_text_makes_another_element(text: str) -> None:
    elements = Elements(card_html(text)).found
    assert {tag for tag, _ in elements} <= ALLOWED
    assert all(set(dict(attributes)) <= {"class"} for _, attributes in elements)


def test_structure_is_kept_below_the_headings_of_the_page() -> None:
    drawn = card_html("# pose model\n\n## Metrics\n\n| a | b |\n|---|---|\n| loss | 0.5 |\n\nSome `code`.\n")
    assert "<h3>pose model</h3>" in drawn
    assert "<h4>Metrics</h4>" in drawn
    assert re.search(r"<td>loss</td>\s*<td>0.5</td>", drawn)
    assert "<code>code</code>" in drawn
