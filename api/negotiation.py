"""Which of the formats that a route has the client gets: by `format`, else by the Accept header."""

from collections.abc import Mapping

from api.errors import NotAcceptable

JSON = "application/json"


def chosen(accept: str | None, wanted: str | None, media_types: Mapping[str, str]) -> str:
    """The name of a format.

    Args:
        wanted: a name that was asked for outright; it wins.
        media_types: media type by name; the first is the default.

    Raises:
        NotAcceptable: the header names only other types.
    """
    if wanted is not None:
        return wanted
    for media_type in _by_preference(accept or "*/*"):
        for name, offered in media_types.items():
            if media_type in ("*/*", offered, f"{offered.split('/')[0]}/*"):
                return name
    raise NotAcceptable(f"This call answers with {', '.join(media_types.values())}; Accept asks for {accept!r}.")


def _by_preference(accept: str) -> list[str]:
    """Media types of an Accept header, the most wanted first; those with q=0 are left out."""
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept.split(",")):
        media_type, *options = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(options)
        if media_type and quality > 0:
            ranked.append((-quality, position, media_type))
    return [media_type for _, _, media_type in sorted(ranked)]


def _quality(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0
