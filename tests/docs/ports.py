"""Ports for the nodes of a page: those that it shows stand for free ones, and suites side by side share none."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack

SHOWN = ("8080", "8081", "8082", "2836")
"""The ports that pages show."""
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Where the nodes of a page listen, on systems that have all of these."""

_BLOCK = 10
_FIRST, _LAST = 2000, 9990
"""Four digits, as those that are shown, so that columns in error messages stay where the page has them."""
_NUMBER = re.compile(rf"(?<!\d)({'|'.join(SHOWN)})(?!\d)")


class Ports:
    """One free port for each that is shown, from a block that is this page's until `close`.

    The first port of the block is held open as a sign to other suites: a node needs its own only in a while, and may
    stop and start meanwhile.
    """

    def __init__(self) -> None:
        self._guard = ExitStack()
        self.by_shown = self._taken()

    def __getitem__(self, shown: str) -> str:
        return self.by_shown[shown]

    def replaced(self, text: str) -> str:
        """Return a text with the ports of this run."""
        return _NUMBER.sub(lambda found: self.by_shown[found[1]], text)

    def close(self) -> None:
        """Leave the block to others."""
        self._guard.close()

    def _taken(self) -> Mapping[str, str]:
        bases = list(range(_FIRST, _LAST, _BLOCK))
        random.shuffle(bases)
        for base in bases:
            ports = [base + 1 + number for number in range(len(SHOWN))]
            if any(str(port) in SHOWN for port in ports):
                continue
            sign = socket.socket()
            try:
                sign.bind((ADDRESSES[0], base))
                sign.listen(1)
            except OSError:
                sign.close()
                continue
            if all(is_free(port) for port in ports):
                self._guard.callback(sign.close)
                return dict(zip(SHOWN, map(str, ports), strict=True))
            sign.close()
        raise OSError("no block of ports is free")


def is_free(port: int) -> bool:
    """Whether a node can listen on a port, at every address that this system has."""
    return all(_can_bind(address, port) for address in ADDRESSES if has_address(address))


def has_address(address: str) -> bool:
    """Whether this system has an address: macOS knows only the first of those on loopback."""
    return _can_bind(address, 0)


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
