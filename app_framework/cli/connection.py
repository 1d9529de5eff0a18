"""Which node a command talks to, and as whom: the options that all commands over HTTP share.

@click.command("status")
@connecting
def command(connection: Connection) -> None: ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from app_framework.cli.failures import CommandError

if TYPE_CHECKING:
    from app_framework.client import Client

DEFAULT_URL = "http://127.0.0.1:8080"
UNREACHABLE = 3
"""The exit code where no node answers."""

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A node, and the credentials for it.

    Args:
        url: of the node.
        user: for Basic.
        password: for Basic.
        token: for bearer.
    """

    url: str = DEFAULT_URL
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def client(self, url: str | None = None, *, failover: bool = False) -> Client:
        """Connect.

        Args:
            url: of another node.
            failover: whether to go on with another node of the cluster when this one is gone; a command that was told
                a node asks that node.

        Raises:
            CommandError: the library for HTTP is not installed.
            AddressError: the URL is none.
            UnreachableError: no node answers.
            ProblemError: the node refuses.
        """
        try:
            from app_framework.client import connect
        except ModuleNotFoundError as error:
            text = f"Talking to a node needs '{error.name}', which is not installed."
            raise CommandError(text, "pip install app-framework-starter-cluster") from error
        auth = (self.user, self.password or "") if self.user is not None else None
        return connect(url or self.url, auth=auth, token=self.token, timeout_s=TIMEOUT_S, failover=failover)


def connecting(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options; it receives them as one `Connection`."""

    @functools.wraps(function)
    def connected(
        *, url: str | None, daemon: str | None, user: str | None, password: str | None, token: str | None, **others: Any
    ) -> None:
        # What is written comes before what AF_URL says, in either spelling.
        connection = Connection(daemon or url or DEFAULT_URL, user, _password(user, password), token)
        function(connection, **others)

    for option in reversed(_OPTIONS):
        connected = option(connected)
    return connected


_OPTIONS = (
    click.option("--url", metavar="URL", envvar="AF_URL", help=f"The node to ask; {DEFAULT_URL} unless set (AF_URL)."),
    click.option("--daemon", metavar="HOST:PORT", hidden=True),
    click.option(
        "--user", metavar="NAME", envvar="AF_USER", help="Who asks; the password is AF_PASSWORD, or asked for."
    ),
    click.option("--password", envvar="AF_PASSWORD", hidden=True),
    click.option("--token", envvar="AF_TOKEN", hidden=True),
)


def _password(user: str | None, password: str | None) -> str | None:
    """Ask for it where a person can answer; it is not echoed."""
    if user is None or password is not None:
        return password
    return str(click.prompt("Password", hide_input=True, err=True))
