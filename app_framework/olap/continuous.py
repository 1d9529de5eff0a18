"""A question that is answered for as long as somebody follows it: a pure state machine, without clock and database.

One `Watch` stands for one question, whoever follows it. After a commit that may concern it the question is asked again,
once at a time; commits meanwhile are taken together. Each follower is told what is different from what it was told
last, one message at a time, so that one who reads slowly skips what is old.

>>> watch, effects = step(Watch(), Joined("ana"), now_s=0.0)
>>> effects
(Ask(since=None, tables=None),)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from app_framework.database.listening import CommitNews
from app_framework.olap.cellset import CellSet

Follower = str
RETRY_S, RETRY_MAX_S = 1.0, 30.0
"""After a failure that may pass the question is asked again: after so long, then twice as long, up to so long."""


@dataclass(frozen=True, slots=True)
class Following:
    """One who follows.

    Args:
        paused: whether it wants to be told nothing.
        busy: whether a message to it is on its way.
        told: the answer that it has; None where it has none.
        version: of which it knows that its answer is true.
        failure: the failure that it was told of.
    """

    paused: bool = False
    busy: bool = False
    told: CellSet | None = None
    version: int = 0
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """A question with all who follow it.

    Args:
        followers: by name.
        answer: the newest.
        version: of which the answer is known to be true.
        tables: that the question reads; None where that is not known.
        asking: whether it is being asked.
        news: what was committed since it was asked last.
        next_s: before which it is not asked again.
        pace_s: the least time between two askings.
        failure: why there is no newer answer.
        failures: how often it failed one after the other.
    """

    followers: Mapping[Follower, Following] = field(default_factory=lambda: MappingProxyType({}))
    answer: CellSet | None = None
    version: int = 0
    tables: frozenset[str] | None = None
    asking: bool = False
    news: CommitNews | None = None
    next_s: float = 0.0
    pace_s: float = 0.0
    failure: Exception | None = None
    failures: int = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to be told."""
        return any(not each.paused for each in self.followers.values())


# ---- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody follows from now on."""

    follower: Follower


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody does not follow any more."""

    follower: Follower


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody wants to be told nothing for a while."""

    follower: Follower


@dataclass(frozen=True, slots=True)
class Resumed:
    """Somebody wants to be told again."""

    follower: Follower


@dataclass(frozen=True, slots=True)
class Delivered:
    """The last message to somebody has arrived, as far as the network takes it."""

    follower: Follower


@dataclass(frozen=True, slots=True)
class Committed:
    """The data of the question's branch have changed."""

    news: CommitNews


@dataclass(frozen=True, slots=True)
class Answered:
    """The question was answered; `cells` is the answer before where nothing is different."""

    cells: CellSet
    version: int
    tables: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Untouched:
    """What changed up to a version does not concern the question."""

    version: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The question could not be answered."""

    error: Exception
    passing: bool


@dataclass(frozen=True, slots=True)
class Due:
    """It is time to ask."""


Event = Joined | Left | Paused | Resumed | Delivered | Committed | Answered | Untouched | Failed | Due


# ---- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the question, unless it can be seen that nothing changed for it.

    Args:
        since: the version of which the answer before is true; None where it has to be asked.
        tables: that changed since then.
    """

    since: int | None = None
    tables: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """Come back with `Due` at a time."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Skip:
    """Count a commit that did not concern the question."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a follower what is different from what it has.

    Args:
        follower: whom.
        before: the answer that it has; None where it needs all of it.
        after: the newest.
        version: of which that is true.
    """

    follower: Follower
    before: CellSet | None
    after: CellSet
    version: int


@dataclass(frozen=True, slots=True)
class TellFailure:
    """Tell a follower why there is nothing newer."""

    follower: Follower
    error: Exception
    passing: bool


Effect = Ask | Wake | Skip | Tell | TellFailure


def step(watch: Watch, event: Event, now_s: float) -> tuple[Watch, tuple[Effect, ...]]:
    """Return what becomes of a watch, and what is to be done."""
    skipped: tuple[Effect, ...] = ()
    if isinstance(event, Joined | Left | Paused | Resumed | Delivered):
        watch = _changed_by_follower(watch, event)
    elif isinstance(event, Committed):
        before, watch = watch, _with_news(watch, event.news)
        skipped = (Skip(),) if watch.version > before.version else ()
    elif isinstance(event, Answered | Untouched | Failed):
        skipped = (Skip(),) if isinstance(event, Untouched) else ()
        watch = _after_asking(watch, event, now_s)
    watch, asking = _asked(watch, now_s)
    watch, telling = _told(watch)
    return watch, (*skipped, *asking, *telling)


def _changed_by_follower(watch: Watch, event: Joined | Left | Paused | Resumed | Delivered) -> Watch:
    followers = dict(watch.followers)
    known = followers.get(event.follower)
    if isinstance(event, Joined):
        followers[event.follower] = Following()
    elif known is None:  # it has left meanwhile
        return watch
    elif isinstance(event, Left):
        del followers[event.follower]
    elif isinstance(event, Delivered):
        followers[event.follower] = replace(known, busy=False)
    else:
        followers[event.follower] = replace(known, paused=isinstance(event, Paused))
    return replace(watch, followers=MappingProxyType(followers))


def _with_news(watch: Watch, news: CommitNews) -> Watch:
    """Note what was committed, unless the answer has seen it."""
    if news.tables is not None and news.version <= watch.version:
        return watch
    return _without_strange(replace(watch, news=news.after(watch.news)))


def _without_strange(watch: Watch) -> Watch:
    """Where the tables tell that what was committed concerns other questions, the answer is true of it, too."""
    news = watch.news
    if watch.asking or watch.answer is None or watch.failure is not None or news is None:
        return watch
    if news.tables is None or watch.tables is None or news.tables & watch.tables:
        return watch
    return replace(watch, version=news.version, news=None)


def _after_asking(watch: Watch, event: Answered | Untouched | Failed, now_s: float) -> Watch:
    watch = replace(watch, asking=False, next_s=now_s + watch.pace_s)
    if isinstance(event, Failed):
        if not event.passing:
            return replace(watch, failure=event.error, failures=0)
        wait_s = max(watch.pace_s, min(RETRY_S * 2**watch.failures, RETRY_MAX_S))
        return replace(watch, failure=event.error, failures=watch.failures + 1, next_s=now_s + wait_s)
    if isinstance(event, Answered):
        watch = replace(watch, answer=event.cells, tables=event.tables)
    news = watch.news
    # The answer may have seen what was committed while the question was on its way.
    if news is not None and news.tables is not None and news.version <= event.version:
        news = None
    return _without_strange(replace(watch, version=event.version, news=news, failure=None, failures=0))


def _asked(watch: Watch, now_s: float) -> tuple[Watch, tuple[Effect, ...]]:
    """Ask where there is a reason to, and nobody asks already; or come back later."""
    failed = watch.failures > 0
    first = watch.answer is None and watch.failure is None
    if watch.asking or not watch.wanted or not (first or failed or watch.news is not None):
        return watch, ()
    if now_s < watch.next_s and not first:
        return watch, (Wake(watch.next_s),)
    ask = Ask()
    if watch.answer is not None and watch.failure is None and watch.news is not None and watch.news.tables is not None:
        ask = Ask(watch.version, watch.news.tables)
    return replace(watch, asking=True, news=None), (ask,)


def _told(watch: Watch) -> tuple[Watch, tuple[Effect, ...]]:
    """Tell each follower that can be told what it does not know."""
    followers, effects = dict(watch.followers), list[Effect]()
    for name, its in watch.followers.items():
        if its.paused or its.busy:
            continue
        if watch.failure is not None:
            if its.failure is not watch.failure:
                followers[name] = replace(its, failure=watch.failure, busy=True)
                effects.append(TellFailure(name, watch.failure, watch.failures > 0))
        elif watch.answer is not None and _is_behind(its, watch):
            before = its.told
            followers[name] = Following(busy=True, told=watch.answer, version=watch.version)
            effects.append(Tell(name, before, watch.answer, watch.version))
    return replace(watch, followers=MappingProxyType(followers)), tuple(effects)


def _is_behind(its: Following, watch: Watch) -> bool:
    return its.told is not watch.answer or its.version != watch.version or its.failure is not None
