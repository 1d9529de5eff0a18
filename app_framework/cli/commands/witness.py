"""`af witness`: a vote without data."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import entry_points
from importlib.resources import as_file, files
from pathlib import Path

import click

from app_framework.cli.failures import CommandError
from app_framework.cli.foreground import READY_FILE, run_in_foreground
from app_framework.cli.node_settings import NodeFlags, Settings, as_arguments, peers_of, settings_of
from app_framework.cli.output import say
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

AUTO_CONFIGURATIONS = "app_framework.auto_configuration"
DEFAULT_NAME = "witness"
NOT_FOR_A_WITNESS = ("database", "olap")
"""Auto-configurations that would load data."""


@click.command("witness", **TAKES_SETTINGS)
@selecting()
@click.option("--peer", metavar="URL-or-HOST:PORT", multiple=True, help="A running node to join through; may repeat.")
@click.option("--name", metavar="N", help="Name of the witness; `witness` unless set.")
@click.option(
    "--port", metavar="P", type=click.IntRange(0, 65535), help="Port of its HTTP server; any free one unless set."
)
@click.option(
    "--data-dir", metavar="D", type=click.Path(path_type=Path, file_okay=False), help="Folder of what it keeps."
)
@READY_FILE
def command(
    selection: Selection,
    peer: tuple[str, ...],
    name: str | None,
    port: int | None,
    data_dir: Path | None,
    ready_file: Path | None,
) -> None:
    """Run a vote without data.

    With it two nodes survive the death of either. It runs in the foreground, and does not read the application.yml of
    the current folder: settings such as the cluster's secret come from --config, the environment (APP_CLUSTER_SECRET)
    or the command line.
    """
    if selection.target is not None:
        raise CommandError(
            f"A witness runs no application, so '{selection.target}' has no place here.", "Leave it out."
        )
    if not peer and not _names_peers(selection):
        say("without --peer it goes back to the cluster that its folder remembers, or waits to be registered")
    own = name or DEFAULT_NAME
    settings = {
        "app.name": own,
        "server.port": "0",
        "cluster.enabled": "true",
        "cluster.bootstrap": "false",
        "cluster.node.type": "witness",
        "cluster.node.name": own,
        **_without_data(),
        **settings_of(NodeFlags(port=port, data_dir=data_dir, peers=peers_of(peer))),
    }
    with as_file(files("app_framework.cli") / "templates" / "witness.yml") as nothing:
        selection = replace(selection, config=selection.config or nothing)
        run_in_foreground(replace(selection, settings=as_arguments(settings, selection.settings)), ready_file)


def _without_data() -> Settings:
    """Only what is installed can be left out."""
    there = {point.name for point in entry_points(group=AUTO_CONFIGURATIONS)}
    left_out = ",".join(each for each in NOT_FOR_A_WITNESS if each in there)
    return {"app.autoconfigure.exclude": left_out} if left_out else {}


def _names_peers(selection: Selection) -> bool:
    return any(each.startswith("--cluster.peers") for each in selection.settings)
