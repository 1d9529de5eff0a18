"""Tags of answers: who holds the newest one already is told so, and gets nothing (RFC 9110, sections 8.8 and 13.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def tag_of(*parts: object) -> str:
    """Return the tag of an answer from what it follows from.

    >>> tag_of("flights", {"b": 1, "a": [None]}) == tag_of("flights", {"a": [None], "b": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return f'"{blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()}"'


def tagged(tag: str) -> Mapping[str, str]:
    """Return the headers of an answer with a tag: it may be kept, and is asked for again before it is used."""
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept, Authorization"}


def holds(request: Request, tag: str) -> bool:
    """Tell whether the client has the answer with this tag."""
    return any(tag in _TAG.findall(line) for line in values_of(request, b"if-none-match"))


def values_of(request: Request, name: bytes) -> list[str]:
    """Return what a header of a request says, each time that it is there; without looking at the others."""
    return [value.decode("latin-1") for each, value in request.scope["headers"] if each == name]


def not_modified(tag: str) -> Response:
    """Return the answer to a client that has it already."""
    return Response(status_code=304, headers=tagged(tag))
