"""What the leader concludes from what it hears: a pure function from reports to commands, each with its reason (R84).

>>> registry = Registry.founded("Cluster", "c", Member("a", "u1", "http://a", "")).led_by("a", "p")
>>> b = {"node": "b", "uid": "u2", "url": "http://b", "route": "", "wants": "voter"}
>>> registry = registry.after(Command("1", "cluster_register", b))
>>> proposals = supervise(registry, {"b": Report(heard_s=99.8)}, watching_since_s=90.0, now_s=100.0)
>>> [proposal.reason for proposal in proposals]
['its pulse is heard']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app_framework.cluster.registry import Command, CommandType, Member, Registry


@dataclass(frozen=True, slots=True)
class SupervisorRules:
    """How long a node may be silent.

    Args:
        inactive_s: without a pulse for this long a node is INACTIVE.
        active_s: a pulse not older than this makes it ACTIVE.
    """

    inactive_s: float = 4.0
    active_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Report:
    """What was last heard of a node.

    Args:
        heard_s: when, on the leader's monotonic scale.
        url: where it says that it is reached.
        route: where its messenger's server takes other servers.
        stopping: it is about to stop.
    """

    heard_s: float
    url: str = ""
    route: str = ""
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A command that the supervisor would give.

    Args:
        type: what to do.
        node: to whom.
        args: with what.
        reason: why, for people.
    """

    type: CommandType
    node: str
    reason: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def command(self, op_id: str) -> Command:
        """Return the command."""
        return Command(op_id, self.type, {"node": self.node, **self.args}, self.reason)


def supervise(
    registry: Registry,
    reports: Mapping[str, Report],
    *,
    watching_since_s: float,
    now_s: float,
    voting: frozenset[str] | None = None,
    rules: SupervisorRules = SupervisorRules(),
) -> tuple[Proposal, ...]:
    """Return what should be changed in the registry.

    Args:
        registry: as it stands.
        reports: node to what was last heard of it.
        watching_since_s: since when this node listens as the leader; silence before that means nothing.
        now_s: on the same scale.
        voting: the nodes of which a server votes now; None when that is not known.
        rules: how long a node may be silent.
    """
    proposals = []
    for member in registry.members:
        changes, reasons = _changes(registry, member, reports.get(member.id), watching_since_s, now_s, rules)
        if voting is not None and member.votes != (member.id in voting):
            changes["votes"] = member.id in voting
            reasons.append("its server votes now" if member.id in voting else "no server of it votes now")
        if changes:
            proposals.append(Proposal("cluster_update_node", member.id, ", ".join(reasons), changes))
    return tuple(proposals)


def _changes(
    registry: Registry,
    member: Member,
    report: Report | None,
    watching_since_s: float,
    now_s: float,
    rules: SupervisorRules,
) -> tuple[dict[str, Any], list[str]]:
    if member.id == registry.lease.node:
        # One that was told to stop is about to; when it is back it joins like any other.
        return ({}, []) if member.status == "ACTIVE" or member.stopped else ({"status": "ACTIVE"}, ["it leads"])
    heard_s = max(report.heard_s if report else watching_since_s, watching_since_s)
    silent_s = now_s - heard_s
    if report is not None and report.stopping and member.status == "ACTIVE":
        return {"status": "INACTIVE"}, ["it is stopping"]
    if member.status == "ACTIVE" and silent_s >= rules.inactive_s:
        return {"status": "INACTIVE"}, [f"no pulse for {silent_s:.1f} s"]
    if report is None or report.stopping or member.stopped or now_s - report.heard_s > rules.active_s:
        return {}, []
    changes: dict[str, Any] = {}
    reasons = []
    if member.status == "INACTIVE":
        changes["status"] = "ACTIVE"
        reasons.append("its pulse is heard")
    if report.url and report.url != member.url:
        changes["url"] = report.url
        reasons.append(f"it is reached at {report.url} now")
    if report.route and report.route != member.route:
        changes["route"] = report.route
        reasons.append(f"its messenger is at {report.route} now")
    return changes, reasons
