"""The membership operations as entries of the store: logged, applied, noted as done (J13, J14)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from app_framework.cluster.errors import ConflictError, EntryExistsError, StoreMovedError
from app_framework.cluster.registry import Command, Registry
from app_framework.cluster.store import Change, Entry
from app_framework.cluster.view import Decision
from app_framework.errors import FrameworkError, UserError

if TYPE_CHECKING:
    from app_framework.cluster.session import Session

COMMANDS = "cmd"
COMMANDS_KEPT = 200
ATTEMPT_PAUSE_S = 0.1


class CommandLog:
    """The operations of one cluster, as its leader writes them and every node reads them.

    Args:
        session: of this node.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def decisions(self) -> tuple[Decision, ...]:
        """Return what was decided, the newest first."""
        entries = (json.loads(entry.value) for entry in self._session.tail.entries(COMMANDS))
        return tuple(_decision(each) for each in sorted(entries, key=_when, reverse=True))

    async def execute(self, command: Command) -> Registry:
        """Log a membership command, apply it, and note that it is done (J13, J14).

        Raises:
            NotLeaderError: this node does not lead.
            NoQuorumError: no majority.
            UserError: the command is refused; nothing is logged.
        """
        self._session.mine()[0].after(command)  # what is refused is refused before anything is written
        key = f"{COMMANDS}.{command.op_id}"
        entry = self._log_entry(command)
        try:
            revision = await self._create(key, _json(entry))
        except EntryExistsError:
            revision = 0
        result = await self._session.decide(lambda registry: registry.after(command))
        if revision:
            self._session.run(self._note_done(key, entry, revision), "done")
        return result

    async def note(self, type_: str, subject: str, reason: str) -> None:
        """Note something that was decided and is no command, for people; nothing fails when it cannot be noted."""
        entry = {**self._log_entry(Command(secrets.token_hex(8), "cluster_update_node", {}, reason)), "done": True}
        entry |= {"type": type_, "subject": subject}
        key = f"{COMMANDS}.{entry['op_id']}"
        with contextlib.suppress(FrameworkError, UserError, TimeoutError):
            await self._create(key, _json(entry))

    async def finish(self) -> None:
        """Apply what a former leader has logged and perhaps not applied, and forget the oldest."""
        logged = sorted(self._session.tail.entries(COMMANDS), key=lambda entry: entry.revision)
        for entry in logged:
            content = json.loads(entry.value)
            if not content.get("done"):
                await self._finish(entry, content)
        for entry in logged[: max(0, len(logged) - COMMANDS_KEPT)]:
            await self._forget(entry)

    async def _finish(self, entry: Entry, content: dict[str, Any]) -> None:
        command = Command(content["op_id"], content["type"], content["args"], content["reason"])
        with contextlib.suppress(UserError):  # what cannot be applied any more is done with
            await self._session.decide(lambda registry: registry.after(command))
        await self._note_done(entry.key, content, entry.revision)

    async def _forget(self, entry: Entry) -> None:
        store = self._session.store
        with contextlib.suppress(ConflictError):
            revision = await self._store_call(lambda: store.delete(entry.key, entry.revision))
            self._session.tail.take(Change(entry.key, None, revision))

    async def _create(self, key: str, value: bytes) -> int:
        revision = await self._store_call(lambda: self._session.store.create(key, value, op_id=f"create-{key}"))
        self._session.tail.take(Change(key, value, revision))
        return revision

    async def _note_done(self, key: str, entry: dict[str, Any], revision: int) -> None:
        done = _json({**entry, "done": True})
        with contextlib.suppress(ConflictError, FrameworkError, TimeoutError):
            new = await self._store_call(lambda: self._session.store.update(key, done, revision))
            self._session.tail.take(Change(key, done, new))

    async def _store_call(self, call: Callable[[], Awaitable[int]]) -> int:
        """Call the store; while it moves, again."""
        async with asyncio.timeout(self._session.rules.command_timeout_s):
            while True:
                try:
                    return await call()
                except StoreMovedError:
                    await asyncio.sleep(ATTEMPT_PAUSE_S)

    def _log_entry(self, command: Command) -> dict[str, Any]:
        now = self._session.clock.now()
        return {
            "op_id": command.op_id,
            "type": command.type,
            "args": dict(command.args),
            "subject": str(command.args.get("node") or command.args.get("name", "")),
            "reason": command.reason,
            "term": self._session.lead.term,
            "node": self._session.me.identity.name,
            "time": now.isoformat(timespec="milliseconds"),
        }


def _decision(entry: Mapping[str, Any]) -> Decision:
    return Decision(
        str(entry["time"]),
        int(entry["term"]),
        str(entry["node"]),
        str(entry["type"]),
        str(entry["subject"]),
        str(entry["reason"]),
    )


def _when(entry: Mapping[str, Any]) -> tuple[int, str]:
    return int(entry["term"]), str(entry["time"])


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
