"""`af security`: what goes into the section ``security`` and into ``cluster.secret``."""

from __future__ import annotations

import sys

import click

from app_framework.cli.failures import CommandError
from app_framework.cli.lazy import LazyCommand, LazyGroup

SECRET_BYTES = 32

COMMANDS = {
    "hash": LazyCommand(".commands.security", "Read a password, print what goes into security.users.", "hash_password"),
    "secret": LazyCommand(".commands.security", "Print a new secret, for a token or for cluster.secret.", "new_secret"),
}

command = LazyGroup("security", table=COMMANDS, help="Make password hashes, tokens and secrets.")


@click.command("hash")
def hash_password() -> None:
    """Read a password, print what goes into security.users.

    At a terminal it is asked for twice and not shown; else it is the first line of standard input.
    """
    from app_framework.security import InvalidPasswordError, PasswordHash

    try:
        click.echo(str(PasswordHash.of(_read_password())))
    except InvalidPasswordError as error:
        raise CommandError(f"{str(error).capitalize()}.", "Give another one.") from None


@click.command("secret")
def new_secret() -> None:
    """Print a new secret, for a token or for cluster.secret.

    It is made of 32 random bytes. Hand it to the nodes through an environment variable or a mounted file, not in
    application.yml.
    """
    import secrets

    click.echo(secrets.token_urlsafe(SECRET_BYTES))


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
