"""The address of a node: a base URL; ``host:port`` will do, and credentials may stand in it.

>>> Address.of("localhost:8080").url
'http://localhost:8080'
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from app_framework.client.errors import AddressError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node is, and who asks.

    Args:
        url: scheme, host and port, without a slash at the end.
        user: from the text ``http://user:password@host``.
        password: the same.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, text: str) -> Address:
        """Read an address.

        Raises:
            AddressError: it is none.
        """
        given = text.strip()
        try:
            parts = urlsplit(given if "://" in given else f"http://{given}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise AddressError(_without_password(text)) from None
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or " " in given:
            raise AddressError(_without_password(text))
        name = f"[{host}]" if ":" in host else host
        url = f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")
        password = unquote(parts.password) if parts.password is not None else None
        return cls(url, unquote(parts.username) if parts.username else None, password)


def may_follow(first: str, other: str) -> bool:
    """Tell whether who asks the node at one URL may be sent to another: never without encryption where there was
    some, and never to this machine where a far one was asked (its loopback addresses are not ours).
    """
    asked, next_one = urlsplit(first), urlsplit(other)
    if asked.scheme == "https" and next_one.scheme != "https":
        return False
    return _is_loopback(asked.hostname) or not _is_loopback(next_one.hostname)


def _is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _without_password(text: str) -> str:
    """What stands before an @ may be a password; it is not for messages."""
    return text if "@" not in text else f"…@{text.rpartition('@')[2]}"
