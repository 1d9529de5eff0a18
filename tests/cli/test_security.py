"""`af security`: hashes and secrets that can be put where they belong as they are."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from app_framework.security import ClusterSecret, PasswordHash
from tests.cli.conftest import Af


@pytest.mark.parametrize("line", ["open sesame\n", "open sesame", "open sesame\r\n", "open sesame\nmore"])
def test_a_password_is_read_from_standard_input(af: Af, line: str) -> None:
    """One line in, one line out, which goes into `security.users` as it is."""
    done = af("security", "hash", input=line)
    assert done.exit_code == 0
    assert PasswordHash.parse(done.stdout).matches("open sesame")
    assert "sesame" not in done.output


def test_the_same_password_never_has_the_same_hash(af: Af) -> None:
    """Each has a salt of its own."""
    assert af("security", "hash", input="x").stdout != af("security", "hash", input="x").stdout


@pytest.mark.parametrize(("line", "told"), [("", "it is empty"), ("x" * 1025, "it has more than 1024 bytes")])
def test_what_cannot_be_a_password_is_refused(af: Af, line: str, told: str) -> None:
    """With the reason, and without a traceback."""
    done = af("security", "hash", input=line)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"That cannot be a password: {told}." in done.stderr


def test_at_a_terminal_the_password_is_not_shown() -> None:
    """It is asked for twice, on standard error, so that the hash alone can go into a file."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app_framework", "security", "hash"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        for question in (b"Password: ", b"Repeat for confirmation: "):
            while not seen.endswith(question):
                seen += os.read(ours, 1024)
            os.write(ours, b"open sesame\n")
        assert process.stdout is not None
        kept = process.stdout.read().decode()
    os.close(ours)
    assert PasswordHash.parse(kept).matches("open sesame")
    assert b"sesame" not in seen


def test_a_secret_will_do_for_a_token_and_for_a_cluster(af: Af) -> None:
    """Random, long enough, and of characters that need no quotes."""
    first, second = (af("security", "secret").stdout.strip() for _ in range(2))
    assert first != second
    assert ClusterSecret(first) != ClusterSecret(second)
    assert all(each.isalnum() or each in "-_" for each in first)
