"""What must not be shown: names that betray a secret, and the texts that replace it (FA9)."""

from __future__ import annotations

import re

MASK = "******"

_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|private[-_]?key|api[-_]?key", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<before>\w://[^/\s:@]*:)[^/\s]+(?P<after>@)")


def is_secret_name(name: str) -> bool:
    """Return whether a key or a variable of this name probably holds a secret.

    >>> is_secret_name("admin-password"), is_secret_name("NATS_TOKEN"), is_secret_name("port")
    (True, True, False)
    """
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """Return `text` with the passwords in its URLs masked.

    >>> scrub("nats://ana:hunter2@example.org")
    'nats://ana:******@example.org'
    """
    return _URL_PASSWORD.sub(rf"\g<before>{MASK}\g<after>", text)


def scrub_line(line: str) -> str:
    """Return a line of a file with everything after the name of a secret masked.

    >>> scrub_line("  admin: {password: hunter2, roles: [x]}")
    '  admin: {password: ******'
    """
    found = _SECRET_NAME.search(line)
    if not found:
        return scrub(line)
    colon = line.find(":", found.end())
    return f"{line[:colon]}: {MASK}" if colon >= 0 else f"{line[: found.end()]} {MASK}"
