"""A question that is followed: its answer is here at once, and again whenever a commit has changed it.

with client.cubes["till"].follow(["revenue"], levels=["item"]) as follow:
    for answer in follow:
        print(answer)
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from app_framework.client.answer import Answer
from app_framework.client.errors import (
    MissingLibraryError,
    ProblemError,
    UnavailableProblemError,
    UnreachableError,
    problem_error,
)

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from app_framework.client.client import Client

OPEN_S = 10.0
"""How long a node may take to open a connection before the next one is tried."""

RETRY_S, RETRY_MAX_S = 0.2, 5.0
"""How long to wait before a lost node is tried again: at first, and at most."""

_ID = "1"


class Following:
    """A followed question: iterate over its answers, or look at `answer` after `next`.

    A node that goes away is waited for, or another one of the cluster taken; the answer is then read anew. One thread
    reads it, any may close it.

    Args:
        client: knows the nodes.
        path: of the cube.
        question: the JSON document.

    Attributes:
        answer: the newest; None before the first.
        versions: the data version of each node of which it is known to be true.
    """

    def __init__(self, client: Client, path: str, question: Mapping[str, Any]) -> None:
        self.answer: Answer | None = None
        self.versions: Mapping[str, int] = {}
        self._client = client
        self._path = f"{path}/stream"
        self._question = dict(question)
        self._document: dict[str, Any] = {}
        self._closed = threading.Event()
        self._socket: ClientConnection | None = None
        self._socket = self._connected()

    def next(self, timeout_s: float | None = None) -> Answer | None:
        """Return the next answer that is different; None when there is none in time, or when it is closed.

        Args:
            timeout_s: how long to wait; None for as long as it takes.

        Raises:
            ProblemError: the node cannot answer the question, and asking again will not help.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        tries = 0
        while not self._closed.is_set():
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            if left_s is not None and left_s < 0 and tries:
                return None
            if self._socket is None:
                tries += 1
                self._reconnect(tries, left_s)
                continue
            text = self._received(self._socket, left_s)
            if text is None and self._socket is not None:
                return None
            if text is not None and self._read(json.loads(text, parse_float=Decimal)):
                return self.answer
        return None

    def close(self) -> None:
        """Follow no more; who waits for an answer gets none."""
        self._closed.set()
        if self._socket is not None:
            self._socket.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Answer:
        answer = self.next()
        if answer is None:
            raise StopIteration
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        rows = "no answer yet" if self.answer is None else f"{len(self.answer)} rows"
        return f"<Following {self._path} {rows}>"

    def _connected(self) -> ClientConnection:
        """Connect to the first node that answers, and register the question.

        Raises:
            UnreachableError: none does.
            ProblemError: one refuses.
        """
        try:
            from websockets.exceptions import InvalidStatus, WebSocketException
            from websockets.sync.client import connect
        except ModuleNotFoundError:
            raise MissingLibraryError("websockets", "followed questions") from None
        headers = {"Authorization": authorization} if (authorization := self._client.authorization) else {}
        tried: list[tuple[str, str]] = []
        for url in self._client.nodes:
            address = url.replace("http", "ws", 1) + self._path
            try:
                opening = connect(address, additional_headers=headers, open_timeout=OPEN_S, max_size=None, proxy=None)
                socket = ExitStack().enter_context(opening)  # `close` is all that leaving it would do
                socket.send(_message("register", query=self._question))
            except InvalidStatus as error:
                raise _problem(url + self._path, error.response.status_code, bytes(error.response.body)) from None
            except (OSError, WebSocketException) as error:  # a timeout is an OSError
                tried.append((url, str(error) or "it does not answer in time"))
            else:
                return socket
        raise UnreachableError(tried)

    def _reconnect(self, tries: int, left_s: float | None) -> None:
        """Try once, after a while that grows with the tries; all who lost the same node do not come back at once."""
        wait_s = min(RETRY_S * 2 ** min(tries - 1, 10), RETRY_MAX_S) * random.uniform(0.5, 1.0)  # noqa: S311
        if self._closed.wait(wait_s if left_s is None else min(wait_s, max(left_s, 0.0))):
            return
        try:
            self._socket = self._connected()
        except UnreachableError:
            return
        except ProblemError as problem:
            if problem.status < 500 and not isinstance(problem, UnavailableProblemError):
                raise
            return  # it is starting, or a proxy stands before nothing
        if self._closed.is_set():  # meanwhile
            self._socket.close()

    def _received(self, socket: ClientConnection, left_s: float | None) -> str | None:
        """Return the next message; None where none comes in time, or the connection is lost."""
        from websockets.exceptions import ConnectionClosed

        try:
            return str(socket.recv(timeout=left_s if left_s is None else max(left_s, 0.0)))
        except TimeoutError:
            return None
        except ConnectionClosed:
            self._socket = None
            return None

    def _read(self, message: Mapping[str, Any]) -> bool:
        """Take a message in; return whether the answer is another one."""
        kind = message["type"]
        if kind == "problem":
            if not message["retrying"]:
                problem = message["problem"]
                raise problem_error(self._client.url + self._path, int(problem["status"]), problem)
            return False
        before = self._document
        if kind == "view":
            self._document = dict(message)
        elif kind in ("changes", "seen"):
            self._document = {**before, **changed(before, message)}
        else:  # of a newer node
            return False
        self.versions = dict(message.get("versions") or self.versions)
        if self.answer is not None and all(before.get(key) == self._document.get(key) for key in _SHOWN):
            self.answer.versions = self.versions
            return False
        self.answer = Answer(self._document)
        return True


_SHOWN = ("columns", "rows", "grouping", "partial")


def changed(document: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message changes in an answer: rows are taken out by their old places, and put in at their new ones.

    >>> before = {"rows": [["cup", 1], ["tea", 2]], "grouping": [0, 0]}
    >>> news = {"versions": {"till": 8}, "removed": [1], "at": [1, 2], "rows": [["pot", 1], ["tea", 3]],
    ...         "grouping": [0, 0]}
    >>> changed(before, news)["rows"]
    [['cup', 1], ['pot', 1], ['tea', 3]]
    """
    told = {"versions": message["versions"]}
    if message.get("type") == "seen":
        return told
    gone = set(message["removed"])
    rows = _patched(document["rows"], gone, message["at"], message["rows"])
    grouping = _patched(document["grouping"], gone, message["at"], message["grouping"])
    return {**told, "rows": rows, "grouping": grouping, "elapsed_ms": message.get("elapsed_ms", 0.0)}


def _patched(before: Sequence[Any], gone: set[int], at: Sequence[int], put: Sequence[Any]) -> list[Any]:
    kept = iter([each for place, each in enumerate(before) if place not in gone])
    new = dict(zip(at, put, strict=True))
    size = len(before) - len(gone) + len(new)
    return [new[place] if place in new else next(kept) for place in range(size)]


def _message(kind: str, **more: object) -> str:
    from app_framework.client.client import plain

    return json.dumps({"type": kind, "id": _ID, **more}, default=plain)


def _problem(url: str, status: int, body: bytes) -> ProblemError:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"detail": f"{url} answered {status}, and not as a node"}
    return problem_error(url, status, document)
