"""Which node to ask next: a pure state machine over what happened to the last request.

>>> step(Route(("http://a", "http://b"), replaces=True), Failed("http://a", "refused", sent=False)).effect
Ask(url='http://b')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

HOPS_MAX = 16
"""How many nodes one request may be sent to."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request on its way.

    Args:
        nodes: whom it may be sent to, the preferred first.
        replaces: whether it may be sent again when it may have arrived: it is idempotent.
        tried: each node that did not answer it, with what happened.
    """

    nodes: tuple[str, ...]
    replaces: bool
    tried: tuple[tuple[str, str], ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """Whom it was not sent to yet."""
        asked = {url for url, _ in self.tried}
        return tuple(url for url in self.nodes if url not in asked)


@dataclass(frozen=True, slots=True)
class Begun:
    """The request is to be sent."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A node did not answer.

    Args:
        url: of the node.
        reason: what happened.
        sent: whether the request may have arrived.
    """

    url: str
    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """A node answered.

    Args:
        url: of the node.
        status: of the answer.
        code: of the problem, empty when it is none.
        detail: of the problem.
        leader: the leader's URL where the problem names one.
    """

    url: str
    status: int
    code: str = ""
    detail: str = ""
    leader: str | None = None


Event = Begun | Failed | Answered


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the request to a node."""

    url: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give the answer to the caller, whatever it is."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the caller that no node answers."""


@dataclass(frozen=True, slots=True)
class Lose:
    """Tell the caller that the request may have happened."""


Effect = Ask | Deliver | GiveUp | Lose


@dataclass(frozen=True, slots=True)
class Step:
    """What a step leads to."""

    route: Route
    effect: Effect


_NOT_DONE = frozenset({"NOT_LEADER", "NO_QUORUM", "UNSTABLE", "SERVICE_UNAVAILABLE", "UNAVAILABLE"})
"""With these codes a node says that nothing happened, so that any request may go to another one."""

_MAY_DIFFER = frozenset({"NOT_LEADER", "UNSTABLE", "SERVICE_UNAVAILABLE", "UNAVAILABLE", "WRONG_NODE", ""})
"""With these codes another node may answer; NO_QUORUM and TIMEOUT are news about the cluster and not the node."""


def step(route: Route, event: Event) -> Step:
    """Return where the request goes next."""
    if isinstance(event, Begun):
        return _next(route)
    if isinstance(event, Failed):
        route = _tried(route, event.url, event.reason)
        return _next(route) if not event.sent or route.replaces else Step(route, Lose())
    if not _asks_another(route, event):
        return Step(route, Deliver())
    route = _tried(route, event.url, event.detail or f"it answered {event.status}")
    if event.code == "NOT_LEADER" and event.leader:
        route = _preferring(route, event.leader)
    following = _next(route)
    # Where nobody is left, what the last node said tells more than that nobody answered.
    return following if isinstance(following.effect, Ask) else Step(route, Deliver())


def order(nodes: Sequence[str], preferred: str) -> tuple[str, ...]:
    """Return nodes without repetitions, the preferred one first."""
    return tuple(dict.fromkeys((preferred, *nodes)))


def _asks_another(route: Route, event: Answered) -> bool:
    if event.status == 421:
        return True
    if event.status != 503 or event.code not in _MAY_DIFFER:
        return False
    return route.replaces or event.code in _NOT_DONE


def _next(route: Route) -> Step:
    left = route.left
    if not left or len(route.tried) >= HOPS_MAX:
        return Step(route, GiveUp())
    return Step(route, Ask(left[0]))


def _tried(route: Route, url: str, reason: str) -> Route:
    return replace(route, tried=(*route.tried, (url, reason)))


def _preferring(route: Route, url: str) -> Route:
    return replace(route, nodes=order(route.nodes, url))
