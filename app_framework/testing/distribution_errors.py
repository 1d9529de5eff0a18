"""What goes wrong in a test of distributed cubes before it comes to a claim.

FrameworkError
├── JoinRefusedError      a query node does not let a data node in
├── NotOnRealNodesError   something that can be done to nodes in memory only
└── UnsettledError        somebody does not hear what is to be heard
UserError
└── NoSuchNameError
    └── UnknownNodeError  there is no node of that name
"""

from __future__ import annotations

from collections.abc import Sequence

from app_framework.errors import FrameworkError, NoSuchNameError


class JoinRefusedError(FrameworkError):
    """A query node does not let a data node in.

    Attributes:
        node: the data node.
        reason: the query node's sentence.
    """

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node = node
        self.reason = reason

    def __str__(self) -> str:
        return f"data node {self.node!r} is not let in: {self.reason} Where that is meant: `check=False`."


class NotOnRealNodesError(FrameworkError):
    """A test on real processes asks for what only nodes in memory have.

    Attributes:
        what: the test wanted.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}: real nodes do not have that; leave the marker away to test in memory"


class UnknownNodeError(NoSuchNameError):
    """There is no node of that name."""

    kind = "node"


class UnsettledError(FrameworkError):
    """The nodes do not come to know of each other.

    Attributes:
        waiting: what is not known, in sentences.
        report: seed and transcript.
    """

    def __init__(self, waiting: Sequence[str], report: str) -> None:
        super().__init__(waiting)
        self.waiting = tuple(waiting)
        self.report = report

    def __str__(self) -> str:
        return "\n".join(["the nodes do not settle:", *self.waiting, self.report])
