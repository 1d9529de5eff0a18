"""`af query`: ask a cube of a running node, for a person or for the next program in the pipe."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from app_framework.cli.cluster_call import cluster_call
from app_framework.cli.connection import Connection, connecting
from app_framework.cli.failures import CommandError
from app_framework.cli.output import say
from app_framework.cli.query_words import names, orders, where

if TYPE_CHECKING:
    from app_framework.client import Cube

MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "arrow": "application/vnd.apache.arrow.stream"}
TIMEOUT_S = 30.0


EXAMPLE = "Example: af query flights --by carrier --measure flights,delay --where month=2 --order flights:desc"


@click.command("query", epilog=EXAMPLE)
@click.argument("cube")
@connecting
@click.option("--measure", "measures", metavar="M,…", multiple=True, required=True, help="What to calculate.")
@click.option("--by", "levels", metavar="L,…", multiple=True, help="The levels to group by.")
@click.option(
    "--where",
    "filters",
    metavar="LEVEL=MEMBER",
    multiple=True,
    help="What to keep; also !=, >= and <=. Several of = are any of them, `LEVEL=` is the missing member.",
)
@click.option("--totals", type=click.Choice(["none", "grand", "all"]), default="none", help="Which totals stand below.")
@click.option("--order", metavar="NAME:desc,…", multiple=True, help="What to sort by; ascending without :desc.")
@click.option("--limit", type=click.IntRange(min=0), help="The most rows; totals are kept.")
@click.option("--top", type=click.IntRange(min=0), help="The most rows of each member of the levels of --per.")
@click.option("--per", metavar="L,…", multiple=True, help="The levels of --top, among those of --by.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_S, help="In seconds.")
@click.option(
    "-o", "--output", type=click.Choice(["table", *MEDIA_TYPES]), default="table", help="How to write the answer."
)
@click.option("--partial", is_flag=True, help="Take the rest where a node does not answer; what is missing is told.")
@click.option("--follow", is_flag=True, help="Go on, and write the table again whenever it has changed.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of what fails.")
def command(
    connection: Connection,
    cube: str,
    measures: tuple[str, ...],
    levels: tuple[str, ...],
    filters: tuple[str, ...],
    totals: str,
    order: tuple[str, ...],
    limit: int | None,
    top: int | None,
    per: tuple[str, ...],
    timeout: float,
    output: str,
    partial: bool,
    follow: bool,
) -> None:
    """Ask a cube of a running node."""
    if follow and output != "table":
        raise CommandError("What is followed is written as a table.", "Leave -o out, or --follow.")
    if (top is None) != (not per):
        raise CommandError("--top and --per belong together.", "For example: --by region,item --top 3 --per region")
    if output == "arrow" and _at_terminal():
        raise CommandError("An Arrow stream is not for a terminal.", "Write it to a file: af query … -o arrow > FILE")
    question: dict[str, Any] = {"measures": names(measures), "levels": names(levels), "totals": totals}
    question |= {"order": orders(order), "timeout": timeout} | ({} if limit is None else {"limit": limit})
    question |= {} if top is None else {"top": {"count": top, "per": names(per)}}
    question |= {"unavailable": "partial"} if partial else {}
    with cluster_call(), connection.client() as client:
        asked = client.cubes[cube]
        if filters:
            question["where"] = where(filters, asked.levels)
        if follow:
            _follow(asked, question)
        else:
            _write(asked, question, output)


def _at_terminal() -> bool:
    return sys.stdout.isatty()


def _follow(cube: Cube, question: dict[str, Any]) -> None:
    """Write each answer as it comes, until Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it ends the following, which is no failure
    with contextlib.suppress(KeyboardInterrupt), cube.follow(**question) as follow:
        for answer in follow:
            click.echo(answer.table())
            say(f"Version {', '.join(map(str, follow.versions.values()))}; Ctrl-C ends it.")


def _write(cube: Cube, question: dict[str, Any], output: str) -> None:
    """Write what the node answers: as it came, or for a person as a table."""
    from app_framework.client import Answer

    if output != "table":
        body = cube.ask("query", question, MEDIA_TYPES[output])
        click.echo(body, nl=output == "json")
        return
    answer = Answer.of_json(cube.ask("query", question))
    click.echo(answer.table())
    if answer.partial:
        say(f"This is a part: {'; '.join(map(_missing, answer.missing))}.")


def _missing(part: Mapping[str, Any]) -> str:
    """``node c does not answer for origin LGA, N/A``."""
    from app_framework.client.text import cell_text

    held = [f"{level} {', '.join(map(cell_text, members))}" for level, members in part.get("members", {}).items()]
    return f"node {part['node']} does not answer" + (f" for {' and '.join(held)}" if held else "")
