"""What is known of one data cube, and what has to be done when something is heard of it or nothing is; pure.

required ──heard──▸ discovering ──discovered──▸ active ◂──heard── suspect
                        ▲   └──refused──▸ refused      └──silent──▸

A data cube that started again is another incarnation: it is discovered anew before it is asked. A suspect one is not
asked, and what needs it is refused: that nothing is heard of it never means that it is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Phase = Literal["required", "discovering", "active", "suspect", "refused"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which contribution of a data cube is meant: two with the same stamp are the same.

    Args:
        incarnation: of the running cube; another one after every start.
        version: of its data.
        state: a digest of everything else that it says of itself.
    """

    incarnation: str
    version: int
    state: str


@dataclass(frozen=True, slots=True)
class Peer:
    """One data cube as a query cube knows it.

    Args:
        phase: what may be done with it.
        heard_s: when it was last heard.
        announced: the newest contribution that it told of.
        known: the contribution that is answered from; None where there is none of this incarnation.
        fetching: the contribution that is being fetched.
        refused: why its newest contribution was not let in.
        refused_stamp: which contribution that was; it is not fetched again.
    """

    phase: Phase = "required"
    heard_s: float | None = None
    announced: Stamp | None = None
    known: Stamp | None = None
    fetching: Stamp | None = None
    refused: str | None = None
    refused_stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """The data cube said that it is there."""

    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Discovered:
    """Its contribution was let in; `stamp` is what it turned out to be."""

    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Refused:
    """A contribution was not let in; what was known before stays."""

    stamp: Stamp
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Something changed because of which a refused contribution may be let in now."""


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """Its contribution could not be fetched; it is tried again when something is heard."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A question did not reach it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by.

    Args:
        suspect_s: after how long without a word it is not asked.
    """

    suspect_s: float


Event = Heard | Discovered | Refused | Retry | FetchFailed | Unreachable | Tick


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch its contribution; a fetch that is under way is given up.

    Args:
        stamp: the one that it told of.
        since: the one that is known, from which a difference is enough; None for all of it.
    """

    stamp: Stamp
    since: Stamp | None


@dataclass(frozen=True, slots=True)
class Lose:
    """Nothing is expected of it any more: whoever waits for its answer is told."""


@dataclass(frozen=True, slots=True)
class Return:
    """It is there again, as it was."""


Effect = Fetch | Lose | Return


def step(peer: Peer, event: Event, now: float) -> tuple[Peer, tuple[Effect, ...]]:
    """Return what is known of a data cube after an event, and what has to be done."""
    if isinstance(event, Heard):
        stamp = event.stamp if _is_later(event.stamp, peer.announced) else peer.announced
        return _heard(replace(peer, heard_s=now, announced=stamp), stamp or event.stamp)
    if isinstance(event, Discovered):
        return _discovered(peer, event.stamp)
    if isinstance(event, Refused):
        phase: Phase = "refused" if peer.known is None else peer.phase
        return replace(peer, phase=phase, fetching=None, refused=event.reason, refused_stamp=event.stamp), ()
    if isinstance(event, Retry):
        return _fetch(replace(peer, refused_stamp=None)) if peer.refused_stamp is not None else (peer, ())
    if isinstance(event, FetchFailed):
        return replace(peer, fetching=None), ()
    if isinstance(event, Unreachable):
        return _lost(peer)
    silent = peer.heard_s is not None and now - peer.heard_s > event.suspect_s
    return _lost(peer) if silent else (peer, ())


def _is_later(stamp: Stamp, announced: Stamp | None) -> bool:
    """Return whether a word is not one that others overtook on the way."""
    return announced is None or stamp.incarnation != announced.incarnation or stamp.version >= announced.version


def _heard(peer: Peer, stamp: Stamp) -> tuple[Peer, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    if peer.known is not None and peer.known.incarnation != stamp.incarnation:
        # What was known is of a cube that runs no more: nothing may be expected of that one.
        effects = (Lose(),) if peer.phase == "active" else ()
        peer = replace(peer, phase="discovering", known=None)
    elif peer.phase == "suspect":
        effects = (Return(),) if peer.known else ()
        peer = replace(peer, phase="active" if peer.known else "discovering")
    elif peer.phase == "required":
        peer = replace(peer, phase="discovering")
    if peer.fetching is not None and peer.fetching.incarnation != stamp.incarnation:
        peer = replace(peer, fetching=None)  # what is being fetched will never come
    if peer.known == stamp:
        return replace(peer, refused=None, refused_stamp=None), effects
    fetching, more = _fetch(peer)
    return fetching, (*effects, *more)


def _fetch(peer: Peer) -> tuple[Peer, tuple[Effect, ...]]:
    stamp = peer.announced
    if stamp is None or peer.fetching is not None or stamp == peer.refused_stamp:
        return peer, ()
    return replace(peer, fetching=stamp), (Fetch(stamp, peer.known),)


def _discovered(peer: Peer, stamp: Stamp) -> tuple[Peer, tuple[Effect, ...]]:
    asked, peer = peer.fetching, replace(peer, fetching=None)
    if peer.announced is not None and peer.announced.incarnation != stamp.incarnation:
        return _fetch(peer)
    phase: Phase = "suspect" if peer.phase == "suspect" else "active"
    peer = replace(peer, phase=phase, known=stamp, refused=None, refused_stamp=None)
    # What was fetched because of a word is at least as new as that word, however different it turned out to be.
    told_since = peer.announced is not None and peer.announced not in (stamp, asked)
    newer = told_since and peer.announced is not None and peer.announced.version >= stamp.version
    return _fetch(peer) if newer else (peer, ())


def _lost(peer: Peer) -> tuple[Peer, tuple[Effect, ...]]:
    if peer.phase not in ("active", "discovering"):
        return peer, ()
    return replace(peer, phase="suspect"), (Lose(),)
