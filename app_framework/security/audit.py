"""One line in the log for every request that is refused, or that administers the node.

The logger is ``app_framework.audit``; refusals are warnings, the rest is information. Nothing in a line is a secret:
no query, no header, no body, and of a name only what is known to be one.
"""

from __future__ import annotations

import json
import logging

from app_framework.security.doors import READS, Doors
from app_framework.security.principal import Role

logger = logging.getLogger("app_framework.audit")

REFUSALS = frozenset({401, 403})
NAME_SHOWN_MAX = 64
REASON_SHOWN_MAX = 300


class Audit:
    """Writes down who was refused and who administered.

    Args:
        doors: know what administers.
    """

    def __init__(self, doors: Doors | None = None) -> None:
        self._doors = doors or Doors()

    def administers(self, method: str, path: str) -> bool:
        """Tell whether a request changes the node itself; one that only looks does not."""
        return method not in READS and self._doors.needs(method, path) is Role.ADMIN

    def refused(self, who: str, source: str, method: str, path: str, status: int, reason: str) -> None:
        """Write that a request was refused.

        Args:
            who: the name that is known; empty for nobody.
            source: the address that it came from.
            method: of the request, ``WEBSOCKET`` for a WebSocket.
            path: percent-encoded, as it came.
            status: of the answer.
            reason: in words.
        """
        logger.warning("%s", _line("refused", who, source, method, path, status, reason))

    def administered(self, who: str, source: str, method: str, path: str, status: int) -> None:
        """Write that a request administered the node, and how that ended; as for `refused`."""
        logger.info("%s", _line("administered", who, source, method, path, status, ""))

    def __repr__(self) -> str:
        return "<Audit>"


def _line(what: str, who: str, source: str, method: str, path: str, status: int, reason: str) -> str:
    """Return the line, as names and values.

    >>> print(_line("refused", "ana", "10.0.0.7", "POST", "/api/cluster/stop", 403, "needs the role 'admin'"))
    refused user=ana from=10.0.0.7 method=POST path=/api/cluster/stop status=403 reason="needs the role 'admin'"
    >>> print(_line("administered", "", "127.0.0.1", "POST", "/actuator/loggers/x", 204, ""))
    administered user=- from=127.0.0.1 method=POST path=/actuator/loggers/x status=204
    """
    facts = {
        "user": _word(who[:NAME_SHOWN_MAX]),
        "from": _word(source),
        "method": method,
        "path": path,
        "status": status,
    }
    told = " ".join([what, *(f"{name}={value}" for name, value in facts.items())])
    return f"{told} reason={json.dumps(reason[:REASON_SHOWN_MAX], ensure_ascii=True)}" if reason else told


def _word(text: str) -> str:
    """Return a text as one word that cannot be taken for two, nor for another line.

    >>> print(_word("ana"), _word(""), _word("ana lee"))
    ana - "ana lee"
    """
    plain = bool(text) and text.isascii() and text.isprintable() and not set(text) & set(' ="\\')
    return text if plain else json.dumps(text) if text else "-"
