"""Who sent a request is found out once and remembered; a guess costs the same whoever it is about."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app_framework.security import (
    Credentials,
    PasswordHash,
    Principal,
    Token,
    TooManyAttemptsError,
    UnauthenticatedError,
    User,
)
from app_framework.security.credentials import WORKERS
from app_framework.security.password import Cost
from app_framework.testing.virtual_time import until

CHEAP = Cost(2, 1, 1)
TOKEN = "0123456789abcdef"


def basic(name: str, password: str, encoding: str = "utf-8") -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode(encoding))


def user(name: str, password: str, cost: Cost = CHEAP) -> User:
    return User(name, PasswordHash.of(password, cost), ("reader",))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Cost]]:
    """The costs of all passwords that are checked."""
    checks: list[Cost] = []
    real = PasswordHash.matches

    def matches(self: PasswordHash, password: str) -> bool:
        checks.append(self.cost)
        return real(self, password)

    with monkeypatch.context() as patched:
        patched.setattr(PasswordHash, "matches", matches)
        yield checks


class Held:
    """Checks that wait until they are let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Event()


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Hold every check."""
    gate, real = Held(), PasswordHash.matches

    def matches(self: PasswordHash, password: str) -> bool:
        gate.entered.release()
        return gate.let_go.wait(10) and real(self, password)

    with monkeypatch.context() as patched:
        patched.setattr(PasswordHash, "matches", matches)
        yield gate


def ask(known: Credentials, *headers: bytes) -> list[Principal | str]:
    """What each header says, one after the other."""

    async def one(header: bytes) -> Principal | str:
        try:
            return await known.authenticate(header)
        except UnauthenticatedError as error:
            return error.reason

    async def every() -> list[Principal | str]:
        return [await one(header) for header in headers]

    try:
        return asyncio.run(every())
    finally:
        known.close()


def test_what_was_right_once_is_not_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong is: nothing of it is kept."""
    with counted(monkeypatch) as checks:
        right, wrong = basic("ana", "x"), basic("ana", "y")
        found = ask(Credentials([user("ana", "x")]), right, right, right, wrong, wrong)
    ana = Principal.of("ana", ["reader"])
    assert found == [ana, ana, ana, "wrong name or password", "wrong name or password"]
    assert len(checks) == 3


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was not seen for the longest time is checked again."""
    known = Credentials([user(name, name) for name in "abc"], cache_max=2)
    headers = [basic(name, name) for name in "abacab"]
    with counted(monkeypatch) as checks:
        ask(known, *headers)
    assert len(checks) == 4


def test_an_unknown_name_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """And always the same, whatever the others' hashes cost."""
    dear = Cost(4, 1, 1)
    for costs in ({CHEAP}, {dear}, {CHEAP, dear}):
        known = Credentials([user(str(number), "x", cost) for number, cost in enumerate(costs)])
        with counted(monkeypatch) as checks:
            ask(known, *[basic("nobody", f"guess {number}") for number in range(5)])
        assert len(checks) == 5
        assert len(set(checks)) == 1
        assert set(checks) <= costs


def test_without_users_a_password_costs_something_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tokens only, nobody learns that."""
    with counted(monkeypatch) as checks:
        assert ask(Credentials(tokens=[Token("ci", TOKEN, ("reader",))]), basic("a", "b")) == ["wrong name or password"]
    assert len(checks) == 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "credentials that cannot be read"),
        (b"Digest x", "credentials that cannot be read"),
        (b"Basic", "credentials that cannot be read"),
        (b"Basic %%%", "credentials that cannot be read"),
        (b"Basic " + base64.b64encode(b"no colon"), "credentials that cannot be read"),
        (b"Basic " + b"A" * 4096, "credentials that cannot be read"),
        (b"Bearer", "unknown token"),
        (b"Bearer " + TOKEN.encode()[:-1], "unknown token"),
        (b"Bearer \xff\xff", "unknown token"),
        (basic("ana", ""), "wrong name or password"),
        (basic("", "x"), "wrong name or password"),
        (basic("ANA", "x"), "wrong name or password"),
        (basic("ana", "x\0"), "wrong name or password"),
    ],
)
def test_what_is_no_credential_of_ours_is_refused(header: bytes, reason: str) -> None:
    """Whatever somebody sends, there is one kind of error."""
    assert ask(Credentials([user("ana", "x")], [Token("ci", TOKEN, ("reader",))]), header) == [reason]


def test_the_scheme_is_written_in_any_case() -> None:
    """As HTTP has it; the rest is exact."""
    known = Credentials([user("ana", "x")], [Token("ci", TOKEN, ("writer",))])
    found = ask(known, basic("ana", "x").replace(b"Basic ", b"bAsIc   "), b"BEARER " + TOKEN.encode())
    assert [each.name for each in found if isinstance(each, Principal)] == ["ana", "ci"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_and_passwords_may_have_accents_and_colons(encoding: str) -> None:
    """Old clients send Latin-1; a colon in the password is a part of it."""
    known = Credentials([user("zoë", "pä:ss:word")])
    assert ask(known, basic("zoë", "pä:ss:word", encoding)) == [Principal.of("zoë", ["reader"])]


def test_the_error_names_a_user_only_when_there_is_one() -> None:
    """Somebody may have typed the password where the name belongs; the audit must not keep it."""

    async def claimed(known: Credentials, header: bytes) -> str:
        with pytest.raises(UnauthenticatedError) as caught:
            await known.authenticate(header)
        return caught.value.name

    known = Credentials([user("ana", "x")])
    assert asyncio.run(claimed(known, basic("ana", "y"))) == "ana"
    assert asyncio.run(claimed(known, basic("hunter2", "y"))) == ""
    known.close()


def test_more_guesses_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one twice waits once; when they are done, there is room again."""

    async def story(gate: Held) -> tuple[int, set[type]]:
        known = Credentials([user("ana", "x")], checks_max=2)
        guesses = [asyncio.create_task(known.authenticate(basic("ana", str(n)))) for n in (1, 2, 1, 2, 3)]
        (refused,) = (await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED))[0]
        error = refused.exception()
        assert isinstance(error, TooManyAttemptsError)
        gate.let_go.set()
        waited = await asyncio.gather(*(each for each in guesses if each is not refused), return_exceptions=True)
        after = await asyncio.gather(known.authenticate(basic("ana", "4")), return_exceptions=True)
        known.close()
        return error.limit, {type(each) for each in (*waited, *after)}

    with held(monkeypatch) as gate:
        assert asyncio.run(story(gate)) == (2, {UnauthenticatedError})


def test_a_request_that_is_given_up_leaves_the_check_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ask the same, one goes away."""

    async def story(gate: Held) -> str:
        known = Credentials([user("ana", "x")])
        first, second = (asyncio.create_task(known.authenticate(basic("ana", "x"))) for _ in range(2))
        assert await asyncio.to_thread(gate.entered.acquire, timeout=10)
        first.cancel()
        gate.let_go.set()
        found = await second
        assert first.cancelled()
        known.close()
        return found.name

    with held(monkeypatch) as gate:
        assert asyncio.run(story(gate)) == "ana"


def test_a_stop_does_not_wait_for_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under check ends, what has not begun never does."""

    async def story(gate: Held) -> list[bool]:
        known = Credentials([user("ana", "x")])
        guesses = [asyncio.create_task(known.authenticate(basic("ana", str(n)))) for n in range(6)]
        for _ in range(WORKERS):
            assert await asyncio.to_thread(gate.entered.acquire, timeout=10)
        closing = asyncio.create_task(asyncio.to_thread(known.close))
        await until(lambda: sum(guess.cancelled() for guess in guesses) == 6 - WORKERS)
        gate.let_go.set()
        await closing
        await asyncio.wait(guesses)
        return sorted(guess.cancelled() for guess in guesses)

    with held(monkeypatch) as gate:
        assert asyncio.run(story(gate)) == [False, False, True, True, True, True]


def test_nothing_shows_a_secret() -> None:
    """Neither the whole nor its parts."""
    token = Token("ci", TOKEN, ("reader",))
    known = Credentials([user("ana", "hunter2")], [token])
    assert repr(known) == "<Credentials of 1 users and 1 tokens>"
    assert TOKEN not in repr(token)
    known.close()
