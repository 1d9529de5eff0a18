"""`af cluster status`: who is in the cluster, who leads, and how it is."""

from __future__ import annotations

import click

from app_framework.cli.cluster_call import cluster_call
from app_framework.cli.cluster_text import health_code, status_lines
from app_framework.cli.connection import Connection, connecting
from app_framework.cli.output import as_json


@click.command("status")
@connecting
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write it.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of what fails.")
def command(connection: Connection, output: str) -> None:
    """Show the members of the cluster as one node sees them.

    Exit codes: 0 healthy, 1 degraded, 2 no quorum, 3 unreachable.
    """
    with cluster_call(), connection.client() as client:
        view = client.cluster.status()
    click.echo(as_json(view) if output == "json" else "\n".join(status_lines(view)))
    raise click.exceptions.Exit(health_code(view))
