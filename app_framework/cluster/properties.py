"""What a user may set about the cluster: section ``cluster``."""

from __future__ import annotations

from typing import Literal

from app_framework.boot import ConfigProperties, Duration, Field, SecretStr
from app_framework.cluster.view import NODE_NAME


class ClusterNodeProperties(ConfigProperties):
    """This node."""

    name: str | None = Field(
        default=None,
        pattern=NODE_NAME,
        description="Name of the node, which it keeps for life; app.name unless set, remembered in the data folder.",
    )
    type: Literal["voter", "watcher", "witness"] = Field(
        default="voter",
        description="voter: may vote (1, 3 or 5 of them do); watcher: never votes; witness: votes, and holds no data.",
    )


class ClusterTimings(ConfigProperties):
    """How patient the nodes are."""

    heartbeat: Duration = Field(default="500ms", description="Between two pulses of a node.")
    suspect: Duration = Field(
        default="2500ms", description="Without a pulse of the leader for this long, its route is looked at."
    )
    inactive: Duration = Field(default="4s", description="Without a pulse for this long a node is INACTIVE.")
    lease: Duration = Field(
        default="10s", description="A leader that has not renewed its lease for this long is followed by another one."
    )
    command: Duration = Field(default="5s", description="How long an operation waits for the leader and the majority.")


class ClusterProperties(ConfigProperties, prefix="cluster"):
    """Membership: who belongs to the cluster, who leads, how nodes find each other."""

    enabled: bool = Field(
        default=True, description="Whether the node is part of a cluster; without the section it is not."
    )
    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Name of the cluster; Cluster for one that is founded, any for one that is joined, unless set.",
    )
    node: ClusterNodeProperties = Field(default=ClusterNodeProperties(), description="This node.")
    peers: list[str] = Field(
        default=[],
        max_length=100,
        description="Running nodes to join through, as base URL or host:port; remembered once the node is a member.",
    )
    bootstrap: bool = Field(
        default=True, description="Whether a new node without peers founds a cluster; false waits to be registered."
    )
    join_timeout: Duration = Field(
        default="10s",
        description="How long a start waits for the node to be ACTIVE; then it serves what it can alone.",
    )
    voters_max: Literal[3, 5] = Field(default=5, description="How many nodes vote at most.")
    secret: SecretStr | None = Field(
        default=None, description="What every node of the cluster holds; at least 16 characters."
    )
    address: str | None = Field(
        default=None,
        description="Where the node's own NATS servers listen; loopback without a secret, server.address unless set.",
    )
    advertise: str | None = Field(
        default=None,
        description="Host under which other nodes reach this one, its URL and its NATS servers; "
        "needed where server.address is 0.0.0.0.",
    )
    timings: ClusterTimings = Field(default=ClusterTimings(), description="How patient the nodes are.")
