"""Hashes say themselves how they were made, and none of them can ask for more than a check may cost."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.security import InvalidHashError, InvalidPasswordError, PasswordHash
from app_framework.security.password import MEMORY_BYTES_MAX, QUICK, STRONG, Cost, is_hash

CHEAP = Cost(2, 1, 1)
KEYS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@settings(max_examples=50)
@given(st.text(KEYS, min_size=1, max_size=60), st.text(KEYS, min_size=1, max_size=60))
def test_a_hash_knows_its_password_and_no_other(password: str, other: str) -> None:
    """Also after it was written down and read again."""
    kept = PasswordHash.parse(str(PasswordHash.of(password, CHEAP)))
    assert kept.matches(password)
    assert kept.matches(other) == (normalize("NFC", other) == normalize("NFC", password))


def test_the_digest_is_scrypt_as_everybody_has_it() -> None:
    """What another program made is taken, and the other way round (RFC 7914)."""
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(b"open sesame", salt=salt, n=16, r=8, p=1, dklen=32)
    assert PasswordHash.parse(f"scrypt:16:8:1:{encoded(salt)}:{encoded(digest)}").matches("open sesame")


def test_two_spellings_that_look_the_same_are_the_same() -> None:
    """An accent may be typed as one character or as two."""
    assert PasswordHash.of("caf\u00e9", CHEAP).matches("cafe\u0301")


@pytest.mark.parametrize("password", ["", "x" * 1025, "x\0"])
def test_what_cannot_be_a_password_gets_no_hash(password: str) -> None:
    """Nothing, more than anybody types, what scrypt does not see; as a guess it is just wrong."""
    with pytest.raises(InvalidPasswordError):
        PasswordHash.of(password, CHEAP)
    assert not PasswordHash.of("x", CHEAP).matches(password)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "form"),
        ("scrypt", "form"),
        ("scrypt:16:8:1:c2FsdHNhbHQ", "form"),
        ("bcrypt:16:8:1:x:y", "form"),
        ("scrypt:a:8:1:{salt}:{hash}", "numbers"),
        ("scrypt:-16:8:1:{salt}:{hash}", "numbers"),
        ("scrypt:999999999:8:1:{salt}:{hash}", "numbers"),
        ("scrypt:15:8:1:{salt}:{hash}", "power of two"),
        ("scrypt:1:8:1:{salt}:{hash}", "power of two"),
        ("scrypt:16:0:1:{salt}:{hash}", "at least 1"),
        ("scrypt:1048576:8:1:{salt}:{hash}", "256 MiB"),
        ("scrypt:65536:8:64:{salt}:{hash}", "some seconds"),
        ("scrypt:16:8:1:c2FsdA:{hash}", "too short"),
        ("scrypt:16:8:1:{salt}:c2FsdA", "too short"),
        ("scrypt:16:8:1:ü:{hash}", "salt is damaged"),
        ("scrypt:16:8:1:{salt}:a", "hash is damaged"),
    ],
)
def test_a_damaged_hash_is_refused_with_the_reason(text: str, reason: str) -> None:
    """And with the command that makes a new one; never with the hash itself."""
    text = text.format(salt=encoded(b"0123456789abcdef"), hash=encoded(b"0" * 32))
    with pytest.raises(InvalidHashError) as caught:
        PasswordHash.parse(text)
    assert reason in str(caught.value)
    assert "af security hash" in str(caught.value)
    assert ":" not in text or text not in str(caught.value)


def test_the_costs_are_those_that_are_promised() -> None:
    """What goes into files is as dear as OWASP says; both are far from the bound."""
    assert (STRONG.n, STRONG.r, STRONG.p) == (1 << 15, 8, 3)
    assert QUICK.memory_bytes < STRONG.memory_bytes < MEMORY_BYTES_MAX


def test_a_decoy_has_no_password() -> None:
    """It is for names that do not exist."""
    assert not PasswordHash.decoy(CHEAP).matches("x")


def test_a_hash_does_not_show_itself() -> None:
    """It is written on purpose only."""
    kept = PasswordHash.of("open sesame", CHEAP)
    assert repr(kept) == "<PasswordHash scrypt 2:1:1>"
    assert is_hash(str(kept))
    assert not is_hash("open sesame")
