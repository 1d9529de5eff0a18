"""How a client names a node: by its base URL, as host and port, or by its id.

>>> node_url("localhost:8081"), node_url("https://b.example/")
('http://localhost:8081', 'https://b.example')
>>> node_or_url("node2"), node_or_url("http://localhost:8081/")
('node2', 'http://localhost:8081')
"""

from __future__ import annotations

from urllib.parse import urlsplit

from app_framework.web.errors import InvalidBodyError

CHARS_MAX = 2048


def node_url(text: str) -> str:
    """Return a base URL without a slash at its end; ``host:port`` means ``http://host:port``.

    Raises:
        InvalidBodyError: it is neither.
    """
    given = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that are not closed
        usable = False
    if not usable or len(text) > CHARS_MAX or not text.isprintable() or " " in text:
        shown = text if len(text) <= 100 else f"{text[:100]}…"
        raise InvalidBodyError(f"{shown!r} is no URL of a node; write one such as http://localhost:8081", field="url")
    if parts.username or parts.query or parts.fragment or parts.path.strip("/"):
        reason = "the URL of a node is a scheme, a host and a port, such as http://localhost:8081"
        raise InvalidBodyError(reason, field="url")
    return f"{parts.scheme}://{parts.netloc}"


def node_or_url(text: str) -> str:
    """Return an id as it is, and what can only be a URL as `node_url` does.

    Raises:
        InvalidBodyError: it looks like a URL and is none.
    """
    return node_url(text) if ":" in text or "/" in text else text
