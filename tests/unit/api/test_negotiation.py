"""Which format a client gets."""

import pytest

from api.errors import NotAcceptable
from api.negotiation import chosen

OFFERED = {"json": "application/json", "png": "image/png", "npz": "application/x-npz"}


@pytest.mark.parametrize(
    ("accept", "wanted", "format_"),
    [
        (None, None, "json"),
        ("*/*", None, "json"),
        ("image/png", None, "png"),
        ("image/*", None, "png"),
        ("application/*", None, "json"),
        ("text/html, image/png;q=0.5, */*;q=0.1", None, "png"),
        ("application/json;q=0.2, application/x-npz;q=0.9", None, "npz"),
        ("IMAGE/PNG", None, "png"),
        ("image/png;q=0, application/json", None, "json"),
        ("image/png", "npz", "npz"),
    ],
)
def test_the_most_wanted_that_is_offered(accept: str | None, wanted: str | None, format_: str) -> None:
    assert chosen(accept, wanted, OFFERED) == format_


@pytest.mark.parametrize("accept", ["text/csv", "application/json;q=0", "image/png;q=nonsense"])
def test_what_is_not_offered_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        chosen(accept, None, OFFERED)
