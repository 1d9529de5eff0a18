"""The times and sizes of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from app_framework.cluster.leadership import LeaderRules
from app_framework.cluster.supervisor import SupervisorRules
from app_framework.cluster.voters import VOTERS_MAX


@dataclass(frozen=True, slots=True)
class ClusterRules:
    """The times and sizes of a cluster; a test makes them small.

    Args:
        pulse_s: between two pulses.
        tick_s: between two looks at the lead.
        leader: how patient the nodes are with their leader.
        supervisor: how patient the leader is with the nodes.
        voters_max: how many nodes vote at most: 3 or 5.
        command_timeout_s: how long an operation may wait for the leader and for the majority.
        join_timeout_s: how long a start waits for the node to become ACTIVE.
    """

    pulse_s: float = 0.5
    tick_s: float = 0.2
    leader: LeaderRules = field(default=LeaderRules())
    supervisor: SupervisorRules = field(default=SupervisorRules())
    voters_max: int = VOTERS_MAX
    command_timeout_s: float = 5.0
    join_timeout_s: float = 10.0
