"""`af node start`: one node of a cluster in the foreground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from app_framework.cli.config_json import find_config_json, read_config_json
from app_framework.cli.failures import CommandError
from app_framework.cli.foreground import READY_FILE, run_in_foreground
from app_framework.cli.node_settings import NodeFlags, Settings, as_arguments, peers_of, settings_of
from app_framework.cli.output import say
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("start", **TAKES_SETTINGS)
@selecting()
@click.option("--name", metavar="N", help="Name of the node, which it keeps for life.")
@click.option("--port", metavar="P", type=click.IntRange(0, 65535), help="Port of its HTTP server; 0 takes a free one.")
@click.option("--data-dir", metavar="D", type=_FOLDER, help="Folder of everything it keeps; .app/<name> unless set.")
@click.option("--peer", metavar="URL-or-HOST:PORT", multiple=True, help="A running node to join through; may repeat.")
@READY_FILE
@click.option("-a", "--address", "listen", metavar="HOST:PORT", hidden=True)
@click.option("--ServerUrl", "server_url", metavar="URL", hidden=True)
@click.option("--root", type=_FOLDER, hidden=True)
@click.option("--DataDir", "data_folder", type=_FOLDER, hidden=True)
@click.option("-l", "--log-file", type=_FILE, hidden=True)
@click.option("--Logs.Path", "log_folder", type=_FOLDER, hidden=True)
@click.option("--license-file", type=click.Path(), hidden=True)
def command(
    selection: Selection,
    name: str | None,
    port: int | None,
    data_dir: Path | None,
    peer: tuple[str, ...],
    ready_file: Path | None,
    listen: str | None,
    server_url: str | None,
    root: Path | None,
    data_folder: Path | None,
    log_file: Path | None,
    log_folder: Path | None,
    license_file: str | None,
) -> None:
    """Run one node of a cluster in the foreground.

    Without a peer and with an empty data folder it founds a cluster; with one it joins through any running node. It
    reads the application.yml of the current folder as `af run` does; every setting is an option.
    """
    if license_file is not None:
        say("--license-file is not used: a node needs no licence.")
    flags = NodeFlags(
        name, port, data_dir, peers_of(peer), listen or server_url, root or data_folder, log_file, log_folder
    )
    flagged = settings_of(flags)
    selection, filed = _with_config_json(selection, flags)
    if "cluster.node.name" in filed:
        flagged.pop("app.name", None)
    settings = {"cluster.enabled": "true", **filed, **flagged}
    selection = replace(selection, settings=as_arguments(settings, selection.settings))
    run_in_foreground(_with_own_folder(selection, settings), ready_file)


def _with_own_folder(selection: Selection, settings: Settings) -> Selection:
    """Give a named node a folder of its name, unless one is configured: several may start in one current folder."""
    name = settings.get("cluster.node.name")
    if name is None or "app.data-dir" in settings:
        return selection
    try:
        configured = selection.environment().contains("app.data-dir")
    except CommandError:
        return selection  # the launch tells what is wrong
    if configured:
        return selection
    return replace(selection, settings=(*selection.settings, f"--app.data-dir={Path('.app') / name}"))


def _with_config_json(selection: Selection, flags: NodeFlags) -> tuple[Selection, Settings]:
    """Read the `config.json` that --config names, or that lies in the current folder or in the data folder."""
    named = selection.config if selection.config is not None and selection.config.suffix == ".json" else None
    path = named or find_config_json(_folders(selection, flags))
    if path is None:
        return selection, {}
    settings = read_config_json(path)
    say(f"{path} is read as: {' '.join(f'--{key}={value}' for key, value in settings.items())}")
    return (replace(selection, config=None) if named else selection), settings


def _folders(selection: Selection, flags: NodeFlags) -> Iterator[Path]:
    folder = flags.data_dir or flags.root
    if folder is not None:
        yield folder
    if selection.config is not None and selection.config.is_dir():
        yield selection.config
    yield Path()
