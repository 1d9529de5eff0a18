"""Which of the offered media types a client's `Accept` header asks for (RFC 9110, section 12.5.1).

>>> negotiate("text/csv, application/json;q=0.5", ["application/json", "text/csv"])
'text/csv'
"""

from __future__ import annotations

from collections.abc import Sequence

from app_framework.web.errors import NotAcceptableError


def negotiate(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered type of the highest quality; the first one where nothing is said.

    Args:
        accept: the header, None when the client sent none.
        offered: media types, the preferred first.

    Raises:
        NotAcceptableError: nothing offered is acceptable.
    """
    if not accept or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptableError(accept, offered)
    return best


def _parse(part: str) -> tuple[str, float]:
    """``text/csv;q=0.8`` → ``("text/csv", 0.8)``; a quality that is no number counts as 1."""
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_range, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return media_range, 1.0
    return media_range, 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that matches: the type itself, ``type/*``, then ``*/*``."""
    stated = dict(ranges)
    for candidate in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if candidate in stated:
            return stated[candidate]
    return 0.0
