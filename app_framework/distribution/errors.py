"""What can go wrong between a query cube and its data cubes.

ServiceUnavailableError
├── DataNodeUnavailableError   a data cube that has to answer does not; names node and members
├── OtherIncarnationError      a data cube was started again since it was asked
└── DistributionStoppedError   a query cube neither listens nor answers
ResultTooLargeError (app_framework.database.errors)
└── PartTooLargeError          TOO_LARGE  what one data cube would send is too large; names its node
UserError
├── NotDistributedError        CONFLICT   a cube is no data cube and no query cube, or not the kind that is needed
└── ModelError (app_framework.database.errors)   a cube cannot be published as declared; every problem with its path
FrameworkError
├── InvalidContributionError   what came from a data cube is no contribution
│   └── StaleDeltaError        a delta is not over the version that is known; all members have to be read again
└── TooManyMembersError        TOO_LARGE  a hierarchy of a data cube has more members than a query cube takes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app_framework.database.errors import ResultTooLargeError
from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError, did_you_mean

MEMBERS_SHOWN_MAX = 5


class NotDistributedError(UserError):
    """A cube takes no part in distribution, or not the part that was asked of it.

    Attributes:
        cube: its name.
        near: the cubes that were probably meant.
        needed: what it would have to be.
    """

    code = "CONFLICT"
    field = "cube"

    def __init__(self, cube: str, near: tuple[str, ...] = (), needed: str = "data cube or query cube") -> None:
        super().__init__(cube, near, needed)
        self.cube = cube
        self.near = near
        self.needed = needed

    def __str__(self) -> str:
        hint = did_you_mean(self.near)
        return f"Cube {self.cube!r} is no {self.needed} (`distribution`)." + (f" {hint}?" if hint else "")


class InvalidContributionError(FrameworkError):
    """What came from a data cube is no contribution.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"This is no contribution of a data cube: {self.reason}. Do all nodes run the same version?"


class StaleDeltaError(InvalidContributionError):
    """A change of members is not over the members that are known.

    Attributes:
        known: the version that is known.
        since: the version that the change begins with.
    """

    def __init__(self, known: int, since: int) -> None:
        super().__init__(f"it changes version {since}, and version {known} is known")
        self.known = known
        self.since = since


class TooManyMembersError(FrameworkError):
    """A hierarchy of a data cube has more members than a query cube takes.

    Attributes:
        hierarchy: its full name.
        data_cube: ``node/cube``.
        limit: how many paths of members it may have.
    """

    code = "TOO_LARGE"

    def __init__(self, hierarchy: str, data_cube: str, limit: int) -> None:
        super().__init__(hierarchy, data_cube, limit)
        self.hierarchy = hierarchy
        self.data_cube = data_cube
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"Hierarchy {self.hierarchy!r} of data cube {self.data_cube!r} has more than {self.limit:,} members"
            " (`distribution.limits.members`). Conceal it there by `concealed-hierarchies`."
        )


class DataNodeUnavailableError(ServiceUnavailableError):
    """A data cube that a question needs does not answer, so nothing is answered (A18, AA6).

    Attributes:
        node: where it is; of several, the first.
        members: those of its distributing levels that are missing there.
        missing: the same of each node: ``{"node": …, "members": …}``.
        reason: what is known of why.
    """

    def __init__(self, missing: Sequence[Mapping[str, object]], reason: str = "") -> None:
        super().__init__(missing, reason)
        self.missing = tuple(missing)
        self.reason = reason

    @property
    def node(self) -> str:
        """Where the first of them is."""
        return str(self.missing[0]["node"])

    @property
    def members(self) -> Mapping[str, Sequence[object]]:
        """The members that are missing there, by level."""
        members = self.missing[0]["members"]
        assert isinstance(members, Mapping)
        return members

    def __str__(self) -> str:
        told = "; ".join(_told(each) for each in self.missing)
        reason = f" ({self.reason})" if self.reason else ""
        return f"This needs {told}, which does not answer now{reason}. Ask again later, or for a partial answer."


def _told(missing: Mapping[str, object]) -> str:
    members = missing["members"]
    assert isinstance(members, Mapping)
    held = [f"{level} {_listed(values)}" for level, values in members.items() if values]
    return f"node {missing['node']!r}" + (f" for {' and '.join(held)}" if held else "")


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join("null" if value is None else str(value) for value in values[:MEMBERS_SHOWN_MAX])
    return shown + (f" and {len(values) - MEMBERS_SHOWN_MAX:,} more" if len(values) > MEMBERS_SHOWN_MAX else "")


class OtherIncarnationError(ServiceUnavailableError):
    """A data cube was started again since what is known of it was fetched.

    Attributes:
        data_cube: ``node/cube``.
    """

    code = "UNAVAILABLE"

    def __init__(self, data_cube: str) -> None:
        super().__init__(data_cube)
        self.data_cube = data_cube

    def __str__(self) -> str:
        return f"Data cube {self.data_cube!r} was started again; fetch its contribution first."


class DistributionStoppedError(ServiceUnavailableError):
    """A query cube was stopped, and answers nothing until it is started; or it is not yet known who has to answer.

    Attributes:
        cube: its name.
        stopped: whether it was stopped.
        retryable: whether it answers by itself later.
    """

    def __init__(self, cube: str, *, stopped: bool = True) -> None:
        super().__init__(cube, stopped)
        self.cube = cube
        self.stopped = stopped
        self.retryable = not stopped

    def __str__(self) -> str:
        if self.stopped:
            return f"Query cube {self.cube!r} is stopped. Start it by `start_distribution()`."
        return f"Query cube {self.cube!r} does not answer yet: who has to answer could not be read so far."


class PartTooLargeError(ResultTooLargeError):
    """What one data cube would send for a question is too large.

    Attributes:
        node: where it is.
        unit: what the limit counts.
        told: what the node itself said of it.
    """

    def __init__(self, limit: int | None, node: str, unit: str = "rows", told: str = "") -> None:
        super().__init__(limit)
        self.node = node
        self.unit = unit
        self.told = told

    def __str__(self) -> str:
        if self.told:
            return self.told
        if self.limit is None:
            return f"Node {self.node!r} needs more memory for this question than it may use. Filter it."
        return (
            f"Node {self.node!r} would send more than {self.limit:,} {self.unit} for this question"
            " (`distribution.limits`). Filter it, or name fewer levels."
        )
