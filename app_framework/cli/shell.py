"""The shell's commands: what a line means, and what it prints; where lines come from is not its business.

>>> [each.usage for each in COMMANDS][:2]
['connect URL', 'federated nodes']
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.cli.cluster_text import node_line, nodes_table, status_lines
from app_framework.cli.connection import Connection
from app_framework.cli.failures import CommandError
from app_framework.cli.output import as_json, say, table
from app_framework.errors import did_you_mean, near_matches

if TYPE_CHECKING:
    from app_framework.client import Client

Lines = Iterator[str]

DEFAULT_TABLE = "entries"
LINE_CHARS_MAX = 1024 * 1024


class ExitShellError(Exception):
    """The person is done."""


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """One command.

    Args:
        usage: its words, and in capitals what it takes.
        help: one line for `help`.
        run: what it does with what it was given; yields lines.
    """

    usage: str
    help: str
    run: Callable[[Shell, Sequence[str]], Lines]

    @property
    def words(self) -> tuple[str, ...]:
        """What a line begins with."""
        return tuple(word for word in self.usage.split() if word.islower())

    @property
    def takes(self) -> tuple[str, ...]:
        """What follows."""
        return tuple(self.usage.split()[len(self.words) :])


class Shell:
    """A conversation with one node, or with the cluster behind it.

    Args:
        connection: the node to talk to until another is named; it is not asked before the first command.
        json: whether answers are JSON.

    Attributes:
        table: the one that `put` and `get` are about.
    """

    def __init__(self, connection: Connection, *, json: bool = False) -> None:
        self._connection = connection
        self._client: Client | None = None
        self._json = json
        self.table = DEFAULT_TABLE

    @property
    def place(self) -> str:
        """The node that is talked to, for the prompt; empty before the first command."""
        return self._client.url.partition("://")[2] if self._client is not None else ""

    def run(self, line: str) -> Lines:
        """Yield what a line prints; an empty line and a comment print nothing.

        Raises:
            ExitShellError: the line is `exit`.
            CommandError: there is no such command, or it was given too much or too little.
            UserError: the node refuses.
            ServiceUnavailableError: no node answers.
        """
        if len(line) > LINE_CHARS_MAX:
            raise CommandError(f"A line has at most {LINE_CHARS_MAX:,} characters.", "Write less.")
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise CommandError(f"The line cannot be read: {error}.", "Close the quotes.") from error
        if words:
            command, given = _found(words)
            with self._told_when_it_moves():
                yield from command.run(self, given)

    def client(self) -> Client:
        """Return the client, connected when first needed."""
        if self._client is None:
            self._client = self._opened(self._connection.url)
        return self._client

    def connect(self, given: Sequence[str]) -> Lines:
        """`connect URL`."""
        client = self._opened(given[0])
        self.close()
        self._client = client
        yield f"Connected to {client.url}"

    def federated_nodes(self, _: Sequence[str]) -> Lines:
        """`federated nodes`."""
        nodes = self.client().get_federated_nodes()
        yield as_json(nodes) if self._json else nodes_table(nodes)

    def cluster_status(self, _: Sequence[str]) -> Lines:
        """`cluster status`."""
        view = self.client().cluster.status()
        yield from [as_json(view)] if self._json else status_lines(view)

    def cluster_decisions(self, _: Sequence[str]) -> Lines:
        """`cluster decisions`."""
        decisions = self.client().cluster.decisions()
        rows = [[str(each[key]) for key in ("time", "command", "subject", "reason")] for each in decisions]
        yield as_json(decisions) if self._json else table(("TIME", "COMMAND", "SUBJECT", "REASON"), rows)

    def register(self, given: Sequence[str]) -> Lines:
        """`cluster register NODE_URL`."""
        yield self._node("registered", self.client().cluster.register(given[0]))

    def deregister(self, given: Sequence[str]) -> Lines:
        """`cluster deregister NODE`."""
        yield self._node("deregistered", self.client().cluster.deregister(given[0]))

    def stop(self, given: Sequence[str]) -> Lines:
        """`cluster stop NODE`."""
        yield self._node("told to stop", self.client().cluster.stop(given[0]))

    def use(self, given: Sequence[str]) -> Lines:
        """`use TABLE`."""
        self.table = given[0]
        yield f"Using {self.table}"

    def keyed(self, _: Sequence[str]) -> Lines:
        """Anything that needs keyed tables or documents."""
        raise CommandError(
            f"The node at {self.client().url} has no tables.",
            "Keyed tables come with the starter app-framework-starter-tables.",
        )

    def help(self, _: Sequence[str]) -> Lines:
        """`help`."""
        yield "\n".join(f"{command.usage:<28}{command.help}" for command in COMMANDS)

    def leave(self, _: Sequence[str]) -> Lines:
        """`exit`."""
        raise ExitShellError

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self, url: str) -> Client:
        client = self._connection.client(url, failover=True)
        if client.url != client.given_url:
            _say_moved(client.given_url, client.url)
        return client

    def _node(self, done: str, document: dict[str, object]) -> str:
        return as_json(document) if self._json else f"{done}: {node_line(document)}"

    @contextlib.contextmanager
    def _told_when_it_moves(self) -> Iterator[None]:
        """Say when another node took over, so that nobody wonders who answered."""
        client = self._client
        before = client.url if client is not None else ""
        yield
        if client is not None and client is self._client and client.url != before:
            _say_moved(before, client.url)


COMMANDS = (
    ShellCommand("connect URL", "talk to this node, and to the cluster behind it", Shell.connect),
    ShellCommand("federated nodes", "the members of the cluster", Shell.federated_nodes),
    ShellCommand("cluster status", "who leads, and how the cluster is", Shell.cluster_status),
    ShellCommand("cluster decisions", "what the leaders decided, and why", Shell.cluster_decisions),
    ShellCommand("cluster register URL", "make a running node a member", Shell.register),
    ShellCommand("cluster deregister NODE", "remove a member, by URL or id", Shell.deregister),
    ShellCommand("cluster stop NODE", "stop a member's process, by URL or id", Shell.stop),
    ShellCommand("use TABLE", f"the table of the next commands; {DEFAULT_TABLE} at first", Shell.use),
    ShellCommand("put KEY VALUE", "write an entry that must not exist", Shell.keyed),
    ShellCommand("get KEY", "read an entry", Shell.keyed),
    ShellCommand("update KEY VALUE", "write an entry, whether it exists or not", Shell.keyed),
    ShellCommand("cas KEY EXPECTED VALUE", "write an entry that must hold what you expect", Shell.keyed),
    ShellCommand("remove KEY", "remove an entry", Shell.keyed),
    ShellCommand("query WHERE", "entries that fit", Shell.keyed),
    ShellCommand("conflicts", "documents in conflict", Shell.keyed),
    ShellCommand("help", "this list", Shell.help),
    ShellCommand("exit", "end the shell", Shell.leave),
)
"""In the order of `help`."""

_ALIASES = {"quit": "exit", "?": "help"}


def _say_moved(silent: str, now: str) -> None:
    say(f"{silent} does not answer; talking to {now}")


def _found(words: Sequence[str]) -> tuple[ShellCommand, Sequence[str]]:
    """Return the command that a line begins with, and what follows."""
    spoken = [_ALIASES.get(words[0].lower(), words[0].lower()), *words[1:]]
    for command in COMMANDS:
        length = len(command.words)
        if [word.lower() for word in spoken[:length]] == list(command.words):
            given = spoken[length:]
            _check(command, given)
            return command, given
    known = [" ".join(command.words) for command in COMMANDS]
    near = did_you_mean(near_matches(" ".join(spoken[:2]), known) or near_matches(spoken[0], known))
    raise CommandError(f"There is no command '{' '.join(words[:2])}'.", near or "help lists them all.")


def _check(command: ShellCommand, given: Sequence[str]) -> None:
    if len(given) != len(command.takes):
        raise CommandError(
            f"'{' '.join(command.words)}' takes {_count(len(command.takes))}, not {len(given)}.",
            f"Write: {command.usage}. Quote what holds spaces.",
        )


def _count(number: int) -> str:
    return {0: "nothing more", 1: "one thing"}.get(number, f"{number} things")
