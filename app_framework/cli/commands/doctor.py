"""`af doctor`: is anything wrong with this installation, this folder or this machine?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from app_framework.cli.checks.finding import Finding, Level
from app_framework.cli.output import Tone, toned
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

_TONES: dict[Level, Tone] = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command("doctor", **TAKES_SETTINGS)
@selecting()
def command(selection: Selection) -> None:
    """Check this installation and this machine.

    One line for each check, with what mends it. Exit code 1 when something would keep a node from running.
    """
    failed = False
    for finding in _findings(selection):
        failed = failed or finding.level is Level.FAIL
        for line in _lines(finding):
            click.echo(line)
    raise click.exceptions.Exit(1 if failed else 0)


def _findings(selection: Selection) -> Iterator[Finding]:
    from app_framework.cli.checks.installation import installation_findings
    from app_framework.cli.checks.node import node_findings
    from app_framework.cli.checks.surroundings import clock_finding, time_zone_finding

    yield from installation_findings()
    yield from node_findings(selection)
    yield clock_finding()
    yield time_zone_finding()


def _lines(finding: Finding) -> Iterable[str]:
    yield f"{toned(finding.level.value.ljust(4), _TONES[finding.level])}  {finding.subject:<15} {finding.message}"
    if finding.fix:
        yield from (f"      {line}" for line in f"→ {finding.fix}".splitlines())
