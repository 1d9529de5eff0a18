"""A followed question as a state machine: one asking at a time, one message at a time, and nobody is left behind."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app_framework.database import CommitNews
from app_framework.olap import CellColumn, CellSet
from app_framework.olap.continuous import (
    Answered,
    Ask,
    Committed,
    Delivered,
    Due,
    Event,
    Failed,
    Joined,
    Left,
    Paused,
    Resumed,
    Skip,
    Tell,
    TellFailure,
    Untouched,
    Wake,
    Watch,
    step,
)

READ = frozenset({"sales"})


def cells(version: int) -> CellSet:
    return CellSet("till", [CellColumn("sold", "measure", "int64")], rows=[(version,)], versions={"n": version})


def news(version: int, *tables: str) -> Committed:
    return Committed(CommitNews("master", version, frozenset(tables)))


def after(watch: Watch, *events: Event, now_s: float = 0.0) -> tuple[Watch, list[object]]:
    effects: list[object] = []
    for event in events:
        watch, more = step(watch, event, now_s)
        effects += more
    return watch, effects


def test_commits_while_it_is_asked_are_one_more_asking() -> None:
    """Those that the answer has seen are none."""
    watch, effects = after(Watch(), Joined("ana"), news(2, "sales"), news(3, "sales"))
    assert effects == [Ask()]
    _, effects = after(watch, Answered(cells(3), 3, READ))
    assert [type(each) for each in effects] == [Tell]
    watch, effects = after(watch, Answered(cells(2), 2, READ))
    assert effects[0] == Ask(2, frozenset({"sales"}))


def test_what_concerns_others_is_only_noted() -> None:
    """The follower learns that its answer is true of that version, too."""
    watch, _ = after(Watch(), Joined("ana"), Answered(cells(1), 1, READ), Delivered("ana"))
    watch, effects = after(watch, news(2, "staff"))
    assert effects == [Skip(), Tell("ana", watch.answer, watch.answer, 2)]  # type: ignore[arg-type]


def test_it_is_asked_no_more_often_than_its_pace() -> None:
    """The first commit after a while at once, the next ones when it is time."""
    watch, _ = after(Watch(pace_s=1.0), Joined("ana"), Answered(cells(1), 1, READ), Delivered("ana"))
    watch, effects = after(watch, news(2, "sales"), now_s=0.4)
    assert effects == [Wake(1.0)]
    watch, effects = after(watch, Due(), now_s=1.0)
    assert effects == [Ask(1, frozenset({"sales"}))]


def test_a_failure_that_may_pass_is_followed_by_another_try() -> None:
    """After one second, then two; the answer that was told stays, and is confirmed when it comes again."""
    watch, _ = after(Watch(), Joined("ana"), Answered(cells(1), 1, READ), Delivered("ana"), news(2, "sales"))
    error = TimeoutError()
    watch, effects = after(watch, Failed(error, passing=True), Delivered("ana"), now_s=5.0)
    assert effects == [Wake(6.0), TellFailure("ana", error, passing=True), Wake(6.0)]
    watch, effects = after(watch, Due(), now_s=6.0)
    assert effects == [Ask()]
    watch, effects = after(watch, Failed(error, passing=True), now_s=6.0)
    assert effects == [Wake(8.0)]
    watch, _ = after(watch, Due(), now_s=8.0)
    assert watch.answer is not None
    watch, effects = after(watch, Answered(watch.answer, 2, READ), now_s=8.0)
    assert effects == [Tell("ana", watch.answer, watch.answer, 2)]  # type: ignore[arg-type]


def test_a_failure_that_will_not_pass_waits_for_a_commit() -> None:
    """To whatever table: it may be what makes the question answerable."""
    error = ValueError()
    watch, effects = after(Watch(), Joined("ana"), Failed(error, passing=False), Delivered("ana"), Due())
    assert effects == [Ask(), TellFailure("ana", error, passing=False)]
    _, effects = after(watch, news(2, "staff"))
    assert effects == [Ask()]


class World(RuleBasedStateMachine):
    """Followers, commits, answers and failures in any order; versions stand for data."""

    @initialize()
    def start(self) -> None:
        self.watch = Watch()
        self.now_s = 0.0
        self.version = 1
        self.changed = 1
        self.ask: Ask | None = None
        self.asked_at = 0
        self.told: dict[str, tuple[CellSet | None, int]] = {}
        self.away: list[str] = []
        self.names = 0

    def happen(self, event: Event) -> None:
        self.watch, effects = step(self.watch, event, self.now_s)
        for effect in effects:
            if isinstance(effect, Ask):
                assert self.ask is None, "asked while it is being asked"
                self.ask, self.asked_at = effect, self.version
            elif isinstance(effect, Tell):
                assert effect.follower not in self.away, "told while a message is on its way"
                assert not self.watch.followers[effect.follower].paused
                assert effect.before is self.told[effect.follower][0], "the difference from something else"
                self.told[effect.follower] = (effect.after, effect.version)
                self.away.append(effect.follower)
            elif isinstance(effect, TellFailure):
                self.away.append(effect.follower)

    @rule()
    def join(self) -> None:
        self.names += 1
        self.told[str(self.names)] = (None, 0)
        self.happen(Joined(str(self.names)))

    @precondition(lambda self: bool(self.told))
    @rule(data=st.data(), event=st.sampled_from([Left, Paused, Resumed]))
    def follower(self, data: st.DataObject, event: type[Left] | type[Paused] | type[Resumed]) -> None:
        name = data.draw(st.sampled_from(sorted(self.told)))
        self.happen(event(name))
        if event is Left:
            del self.told[name]
            self.away = [each for each in self.away if each != name]

    @precondition(lambda self: bool(self.away))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.away))
        self.away.remove(name)
        self.happen(Delivered(name))

    @rule(table=st.sampled_from(["sales", "staff"]))
    def commit(self, table: str) -> None:
        self.version += 1
        if table == "sales":
            self.changed = self.version
        self.happen(news(self.version, table))

    @precondition(lambda self: self.ask is not None)
    @rule(outcome=st.sampled_from(["answer", "look", "fail", "refuse"]), late=st.booleans())
    def answer(self, outcome: str, late: bool) -> None:
        ask, self.ask = self.ask, None
        assert ask is not None
        version = self.version if late else self.asked_at
        if outcome in ("fail", "refuse"):
            self.happen(Failed(ValueError(), passing=outcome == "fail"))
        elif outcome == "look" and ask.since is not None and self.changed <= ask.since:
            self.happen(Untouched(version))
        else:
            seen = min(self.changed, version)
            old = self.watch.answer
            same = old is not None and old.rows == [(seen,)]
            self.happen(Answered(old if same and old is not None else cells(seen), version, READ))

    @rule(seconds=st.sampled_from([0.5, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.happen(Due())

    @precondition(lambda self: hasattr(self, "told"))
    @invariant()
    def nobody_is_left_behind(self) -> None:
        """In the end, when all is answered and delivered, everybody who listens has the newest."""
        watch, told = self.watch, dict(self.told)
        ask, away, now_s = self.ask, list(self.away), self.now_s
        for _ in range(20):
            events: list[Event] = [Delivered(name) for name in away]
            away = []
            if ask is not None:
                old = watch.answer
                same = old is not None and old.rows == [(self.changed,)]
                events.append(Answered(old if same and old is not None else cells(self.changed), self.version, READ))
                ask = None
            now_s += 60.0
            for event in [*events, Due()]:
                watch, effects = step(watch, event, now_s)
                for effect in effects:
                    if isinstance(effect, Ask):
                        ask = effect
                    elif isinstance(effect, Tell):
                        told[effect.follower] = (effect.after, effect.version)
                        away.append(effect.follower)
                    elif isinstance(effect, TellFailure):
                        away.append(effect.follower)
        if watch.failure is not None and watch.failures == 0:
            return  # refused; the next commit is waited for
        for name, its in watch.followers.items():
            if not its.paused:
                answer, version = told[name]
                assert answer is not None
                assert (answer.rows, version) == ([(self.changed,)], self.version)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
