"""Messages are looked at before Perspective gets them: any bytes at all are read or refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.web.pivot.wire import (
    EXPAND,
    FAILURE,
    Envelope,
    WireError,
    changed,
    failure,
    read_envelope,
    read_number,
)


@given(number=st.integers(0, 2**32 - 1), entity=st.text(), sentence=st.text(max_size=300))
def test_what_is_written_is_read(number: int, entity: str, sentence: str) -> None:
    """Number, view and kind come back."""
    request = Envelope(number, entity.encode("utf-8", "replace").decode(), EXPAND)
    told = read_envelope(failure(request, sentence))
    assert (told.number, told.entity, told.kind) == (request.number, request.entity, FAILURE)
    assert read_number(read_envelope(changed(request, number)).body) == number


@given(message=st.binary(max_size=64))
def test_no_bytes_do_harm(message: bytes) -> None:
    """They are a message, or a WireError."""
    with contextlib.suppress(WireError):
        read_number(read_envelope(message).body)


@pytest.mark.parametrize("message", [b"\x08", b"\x0a\xff", b"\x0b", b"\x12\x02\xff\xfe", b"\x08" + b"\xff" * 11])
def test_broken_messages_are_refused(message: bytes) -> None:
    """A number without an end, a piece beyond the end, an unknown kind, no text, a number that never ends."""
    with pytest.raises(WireError):
        read_envelope(message)
