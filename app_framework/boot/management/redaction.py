"""Keeps known secrets out of every text that leaves the process.

Whoever learns a secret hands it to the application's `Redactor`; whoever writes text for people (log
formatters, health details, endpoints) passes it through.

>>> redactor = Redactor()
>>> redactor.add("s3cr3t-canary")
>>> redactor.mask("cannot connect with s3cr3t-canary")
'cannot connect with ******'
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from app_framework.boot.config.secrecy import MASK, is_secret_name, scrub
from app_framework.boot.failure import FailureAnalysis, FailureReport

if TYPE_CHECKING:
    from app_framework.boot.config.environment import Environment

DEPTH_MAX = 20
"""Values nested deeper, which may well contain themselves, are shown as text."""

_PLACEHOLDER = re.compile(r"\$\{([^:{}]+)(?::[^{}]*)?\}")
_TEXT_LENGTH_MIN = 4
_NUMBER_LENGTH_MIN = 6
_WORD_ONLY_BELOW = 5
"""A shorter secret is masked as a whole word only, else `pw` would hide half of `httpw`."""


class Redactor:
    """The secrets of one application, and the way to blank them out of a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._spellings: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Learn a secret; it is masked from now on, also quoted, escaped or URL-encoded."""
        if not secret.strip():
            return
        with self._lock:
            self._spellings |= _spellings(secret)
            longest_first = sorted(self._spellings, key=lambda text: (-len(text), text))
            self._pattern = re.compile("|".join(_expression(text) for text in longest_first))

    def mask(self, text: str) -> str:
        """Return `text` with every known secret, and every password in a URL, replaced by ``******``."""
        pattern = self._pattern
        masked = pattern.sub(MASK, text) if pattern else text
        return scrub(masked) if "://" in masked else masked

    def mask_value(self, value: object, *, depth: int = DEPTH_MAX) -> object:
        """Return a value as JSON can hold it, with every text and number in it masked.

        Keys stay, they are names. NaN and infinity become null; what JSON does not know becomes text.
        """
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            masked = self.mask(str(value))
            return masked if masked != str(value) else value if math.isfinite(value) else None
        if isinstance(value, str) or depth <= 0:
            return self.mask(str(value))
        if isinstance(value, Mapping):
            return {str(key): self.mask_value(inner, depth=depth - 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.mask_value(inner, depth=depth - 1) for inner in value]
        return self.mask(str(value))

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._spellings)} spellings>"


def _spellings(secret: str) -> frozenset[str]:
    """Return the secret as it may appear in logs: plain, in a repr, in JSON, in a URL."""
    return frozenset(
        {
            secret,
            repr(secret)[1:-1],
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
        }
    )


def _expression(text: str) -> str:
    escaped = re.escape(text)
    return rf"(?<!\w){escaped}(?!\w)" if len(text) < _WORD_ONLY_BELOW else escaped


def known_secrets(environment: Environment) -> frozenset[str]:
    """Return every secret that the configuration holds: what is used, and what a stronger source covers (FA9)."""
    found: set[str] = set()
    for source in environment.sources:
        for key, written, _ in source.entries():
            if not environment.is_secret(key):
                continue
            used = environment.get(key)
            found.update(str(value) for value in (written, used) if _is_telling(value))
            if isinstance(written, str) and isinstance(used, str) and "${" in written:
                found.update(_fillings(written, used))
    return frozenset(found)


def _is_telling(value: object) -> bool:
    """A secret such as ``10`` or ``true`` cannot be told from ordinary text; masking it would blank the log."""
    if isinstance(value, str):
        return len(value) >= _TEXT_LENGTH_MIN and "${" not in value
    return isinstance(value, int | float) and len(str(value)) >= _NUMBER_LENGTH_MIN


def _fillings(written: str, used: str) -> frozenset[str]:
    """Return what secret placeholders stand for: in ``http://${HOST}/?key=${API_KEY}`` the key, not the host."""
    names = _PLACEHOLDER.findall(written)
    pattern = "(.*)".join(re.escape(part) for part in _PLACEHOLDER.sub("\0", written).split("\0"))
    values = re.fullmatch(pattern, used, re.DOTALL)
    if values is None:
        return frozenset()
    found = zip(names, values.groups(), strict=True)
    return frozenset(value for name, value in found if is_secret_name(name) and _is_telling(value))


def redacted_failure(report: FailureReport, environment: Environment | None) -> FailureReport:
    """Return a failure report whose words hold no secret, whatever the error and its analyzer say (FA9)."""
    redactor = Redactor(known_secrets(environment) if environment else ())
    words = FailureAnalysis(redactor.mask(report.description), redactor.mask(report.action))
    return FailureReport(report.error, words)
