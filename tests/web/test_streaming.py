"""Answers that are sent while they are made."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from app_framework.web.streaming import PulledResponse


def sent(response: PulledResponse, *, spec: str, leave_after: int) -> list[bytes]:
    """Send a response to a client that leaves after some pieces, as servers of both kinds tell it."""
    bodies: list[bytes] = []

    async def conversation() -> None:
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if gone.is_set() and spec == "2.4":
                raise OSError("the connection is closed")
            if message["type"] == "http.response.body" and message["body"]:
                bodies.append(message["body"])
            if len(bodies) == leave_after:
                gone.set()

        with contextlib.suppress(ClientDisconnect):
            await response({"type": "http", "asgi": {"spec_version": spec}}, receive, send)

    asyncio.run(conversation())
    return bodies


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
def test_what_is_left_unread_is_closed_when_the_client_leaves(spec: str) -> None:
    """Pieces are made when they are sent, so an endless answer ends too."""
    closed: list[str] = []
    endless = (b"piece" for _ in itertools.count())
    response = PulledResponse(endless, lambda: closed.append("closed"), media_type="text/plain")
    assert sent(response, spec=spec, leave_after=3)[:3] == [b"piece"] * 3
    assert closed == ["closed"]


def test_a_whole_answer_is_closed_as_well() -> None:
    closed: list[str] = []
    response = PulledResponse(iter(["a", "ä"]), lambda: closed.append("closed"), media_type="text/csv")
    assert b"".join(sent(response, spec="2.4", leave_after=9)) == "aä".encode()
    assert closed == ["closed"]


def test_an_error_in_the_middle_breaks_the_answer_off() -> None:
    """Nobody takes a part for the whole."""

    def broken() -> Any:
        yield b"a"
        raise ValueError("b")

    closed: list[str] = []
    response = PulledResponse(broken(), lambda: closed.append("closed"), media_type="text/plain")
    with pytest.raises((ValueError, ExceptionGroup)):
        sent(response, spec="2.4", leave_after=9)
    assert closed == ["closed"]
