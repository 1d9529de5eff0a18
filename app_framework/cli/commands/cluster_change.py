"""`af cluster register`, `deregister` and `stop`: the three changes of a cluster's members."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from app_framework.cli.cluster_call import cluster_call
from app_framework.cli.cluster_text import node_line
from app_framework.cli.connection import Connection, connecting
from app_framework.cli.output import as_json

if TYPE_CHECKING:
    from app_framework.client import Client

_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write the node's document."
)
_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of what fails.")


@click.command("register")
@click.argument("node", metavar="NODE_URL")
@connecting
@_OUTPUT
@_DEBUG
def register(connection: Connection, node: str, output: str) -> None:
    """Make the running node at NODE_URL a member; a member already stays one.

    Any member can be asked (--url); the leader decides.
    """
    _change(connection, lambda client: client.cluster.register(node), "registered", output)


@click.command("deregister")
@click.argument("node", metavar="NODE_URL-or-ID")
@connecting
@_OUTPUT
@_DEBUG
def deregister(connection: Connection, node: str, output: str) -> None:
    """Remove a member, by its URL or its id; its process goes on without the cluster."""
    _change(connection, lambda client: client.cluster.deregister(node), "deregistered", output)


@click.command("stop")
@click.argument("node", metavar="NODE")
@connecting
@_OUTPUT
@_DEBUG
def stop(connection: Connection, node: str, output: str) -> None:
    """Stop the process of a member, by its URL or its id; it stays a member, INACTIVE until it is started again."""
    _change(connection, lambda client: client.cluster.stop(node), "told to stop", output)


def _change(connection: Connection, change: Callable[[Client], dict[str, Any]], done: str, output: str) -> None:
    with cluster_call(), connection.client() as client:
        document = change(client)
    click.echo(as_json(document) if output == "json" else f"{done}: {node_line(document)}")
