"""Which Host and Origin headers may change something on this node.

A browser lets any page send a POST to a loopback address (cross-site request forgery), and lets a name that its owner
points at 127.0.0.1 read the answer (DNS rebinding). Both say where they come from: the first in ``Origin``,
the second in ``Host``.

>>> guard = RequestGuard(["studio.example"])
>>> guard.check(host="localhost:8080", origin="http://127.0.0.1:8080", own_address="127.0.0.1")
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from app_framework.web.errors import ForeignRequestError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class RequestGuard:
    """Tells requests of this node's own pages and of programs from those of foreign pages.

    Args:
        allowed_hosts: further names that lead here, as ``name`` or ``name:port``, from server.allowed-hosts.
    """

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    def check(self, host: str | None, origin: str | None, own_address: str | None) -> None:
        """Refuse an unsafe request of a foreign page.

        Args:
            host: the ``Host`` header.
            origin: the ``Origin`` header; programs send none.
            own_address: the address that the connection came in on.

        Raises:
            ForeignRequestError: the host is unknown or the origin is foreign.
        """
        name, port = split_host(host or "")
        if not self._is_own(name, port, own_address):
            raise ForeignRequestError("Host", host or "")
        if origin is not None and not self._is_own_origin(origin, port, own_address):
            raise ForeignRequestError("Origin", origin)

    def _is_own(self, name: str, port: int | None, own_address: str | None) -> bool:
        return (
            is_loopback(name)
            or (own_address is not None and name == own_address.lower())
            or name in self._allowed
            or f"{name}:{port}" in self._allowed
        )

    def _is_own_origin(self, origin: str, host_port: int | None, own_address: str | None) -> bool:
        """A page of this node has its port too; a page of another local server is foreign unless allowed."""
        scheme, separator, authority = origin.lower().partition("://")
        if not separator:
            return False
        name, port = split_host(authority)
        if name in self._allowed or f"{name}:{port}" in self._allowed:
            return True
        same_port = _explicit(port, scheme) == _explicit(host_port, scheme)
        return same_port and self._is_own(name, port, own_address)


def split_host(authority: str) -> tuple[str, int | None]:
    """Return the name and the port of a ``Host`` header.

    >>> split_host("[::1]:8080"), split_host("Localhost"), split_host("a:b:c")
    (('::1', 8080), ('localhost', None), ('a:b:c', None))
    """
    name, separator, port = authority.strip().lower().rpartition(":")
    if not separator or not port.isdecimal() or (":" in name and not name.endswith("]")):
        name, port = authority.strip().lower(), ""
    return name.removeprefix("[").removesuffix("]").removesuffix("."), int(port[:6]) if port else None


def is_loopback(name: str) -> bool:
    """Tell whether a name or address can only mean this machine.

    >>> [is_loopback(name) for name in ("localhost", "127.0.0.2", "::1", "studio.localhost", "10.0.0.1")]
    [True, True, True, True, False]
    """
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _explicit(port: int | None, scheme: str) -> int | None:
    return port if port is not None else _DEFAULT_PORTS.get(scheme)
