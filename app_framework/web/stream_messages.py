"""What a client and a node say to each other about continuous queries, as JSON; `docs/how-to/follow-a-cube.md` has it.

>>> read_message('{"type": "pause", "id": "a"}')
Message(type='pause', id='a', query=None)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from app_framework.errors import near_matches
from app_framework.olap.following import Told, Trouble
from app_framework.web.encoding import dump_answer, dumps, loads
from app_framework.web.errors import InvalidBodyError
from app_framework.web.problems import problem_of

WITH_QUERY = ("register", "update")
TYPES = (*WITH_QUERY, "pause", "resume", "stop")
ID_MAX = 100


@dataclass(frozen=True, slots=True)
class Message:
    """What a client wants.

    Args:
        type: one of `TYPES`.
        id: what the client calls the query.
        query: the question, not read yet.
    """

    type: str
    id: str
    query: object = None


class MessageError(InvalidBodyError):
    """A message cannot be read.

    Attributes:
        id: what the client calls the query, where that could be read.
    """

    def __init__(self, reason: str, field: str, id_: str | None, near: tuple[str, ...] = ()) -> None:
        super().__init__(reason, field=field, near=near)
        self.id = id_


def read_message(text: str) -> Message:
    """Read a message.

    Raises:
        MessageError: it is none.
    """
    try:
        document = loads(text.encode())
    except ValueError as error:
        raise MessageError(f"the message is not JSON: {error}", "", None) from None
    if not isinstance(document, dict):
        raise MessageError('a message is an object: {"type": "register", "id": …, "query": …}', "", None)
    id_, kind = document.get("id"), document.get("type")
    if not isinstance(id_, str) or not 0 < len(id_) <= ID_MAX:
        raise MessageError(f"`id` is a text of up to {ID_MAX} characters: what you call the query", "id", None)
    if kind not in TYPES:
        near = near_matches(str(kind), TYPES)
        raise MessageError(f"`type` is one of {', '.join(TYPES)}", "type", id_, near)
    known = ("type", "id", "query") if kind in WITH_QUERY else ("type", "id")
    for key in document:
        if key not in known:
            raise MessageError(f"a message {kind!r} has no field {key!r}", key, id_, near_matches(key, known))
    if kind in WITH_QUERY and "query" not in document:
        raise MessageError("`query` is required: the question, as POST /cubes/{cube}/query takes it", "query", id_)
    return Message(str(kind), id_, document.get("query"))


def state(kind: str, id_: str, revision: int) -> str:
    """Return the message that something is as the client wanted it: ``paused``, ``resumed``, ``stopped``."""
    return dumps({"type": kind, "id": id_, "revision": revision}).decode()


def problem(error: Exception, id_: str | None, revision: int | None = None, *, retrying: bool = False) -> str:
    """Return the message that something is wrong."""
    about = {"id": id_} | ({} if revision is None else {"revision": revision})
    return dumps({"type": "problem", **about, "retrying": retrying, "problem": problem_of(error).as_json()}).decode()


class Encoder:
    """Writes what followers are told; once for all who are told the same."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Told, str] = WeakKeyDictionary()

    def encode(self, message: Told | Trouble, id_: str, revision: int) -> str:
        """Return a message for one follower."""
        if isinstance(message, Trouble):
            return problem(message.error, id_, revision, retrying=message.passing)
        body = self._known.get(message)
        if body is None:
            body = self._known[message] = dump_answer(_body(message)).decode()
        kind = "view" if message.fresh else "changes" if message.changes is not None else "seen"
        return f"{state(kind, id_, revision)[:-1]},{body[1:]}"


def _body(told: Told) -> Mapping[str, object]:
    if told.fresh:
        return {**told.cells.to_dict(), "versions": told.versions}
    if told.changes is None:
        return {"versions": told.versions}
    changes = told.changes
    return {
        "versions": told.versions,
        "elapsed_ms": round(told.cells.elapsed_ms, 3),
        "removed": changes.removed,
        "at": changes.at,
        "rows": changes.rows,
        "grouping": changes.grouping,
    }
