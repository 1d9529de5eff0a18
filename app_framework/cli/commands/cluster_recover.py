"""`af cluster recover`: the operator's last resort, on the machine and in the folder of a node that is left."""

from __future__ import annotations

from pathlib import Path

import click

from app_framework.cli.failures import CommandError
from app_framework.cli.output import say
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

_WARNING = """\
The cluster is founded again from what this node remembers of it. What the lost nodes had decided later is gone, and
none of them may be started again with its old folder. The node of this folder must not run now.
"""


@click.command("recover", **TAKES_SETTINGS)
@selecting()
@click.option("--data-dir", metavar="D", type=click.Path(path_type=Path, file_okay=False), help="The node's folder.")
@click.option(
    "--yes-the-cluster-is", "cluster_id", metavar="ID", help="The cluster's id, for scripts; else it is asked for."
)
def command(selection: Selection, data_dir: Path | None, cluster_id: str | None) -> None:
    """Found the cluster again when the majority of its voting nodes is gone for good.

    It works on the folder of one node, which must not run: its own, or that of --data-dir.
    """
    from app_framework.cluster.recovery import recover

    folder = data_dir or _configured(selection)
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder, so there is nothing to recover from.", "Name it: --data-dir D")
    if cluster_id is None:
        say(_WARNING)
        cluster_id = str(click.prompt(f"To go on with {folder}, type the id of its cluster", err=True))
    done = recover(folder, cluster_id.strip())
    click.echo(
        f"{done.node} is cluster {done.cluster_id!r} now: {done.entries} entries, up to revision {done.revision}"
    )
    if done.struck:
        click.echo(f"no members any more: {', '.join(done.struck)}")
    say("Start the node. The others join it with emptied folders: af node start --peer URL")


def _configured(selection: Selection) -> Path:
    """Return the folder that this configuration gives its node."""
    from app_framework.boot.config.app_properties import AppProperties

    return selection.environment().bind(AppProperties).data_dir
