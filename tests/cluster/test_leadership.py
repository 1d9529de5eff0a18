"""When a node takes the lead, keeps it and loses it; every claim is a transcript of the state machine."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from app_framework.cluster.leadership import (
    Confirmed,
    Effect,
    Event,
    Failed,
    Heard,
    Lead,
    Leadership,
    Observed,
    Probe,
    Probed,
    Renew,
    Take,
    Tick,
    Yield,
    step,
)


def following(rank: int | None = 0, now_s: float = 100.0) -> Leadership:
    """A voter b that has just seen that a leads in term 3."""
    state, _ = step(Leadership("b", "pb"), Observed(3, "a", "pa", 7, rank), now_s)
    return state


def run(state: Leadership, *events: tuple[float, Event]) -> tuple[Leadership, list[Effect]]:
    """Let events happen and return all effects."""
    told: list[Effect] = []
    for now_s, event in events:
        state, effects = step(state, event, now_s)
        told += effects
    return state, told


def test_a_follower_that_hears_the_leader_does_nothing() -> None:
    """Pulses are enough; the lease behind them is renewed elsewhere."""
    events: list[tuple[float, Event]] = []
    for tenth in range(1, 95):
        events += [(100 + tenth / 10, Heard("a", 3)), (100 + tenth / 10, Tick())]
    _, told = run(following(), *events)
    assert told == []


def test_silence_alone_is_a_suspicion_and_the_route_decides() -> None:
    """A leader whose messenger answers is waited for until its lease is over."""
    state, told = run(following(), (102.6, Tick()), (102.7, Probed("a", reachable=True)), (103.0, Tick()))
    assert told == [Probe("a")]
    state, told = run(state, (103.2, Tick()), (103.3, Probed("a", reachable=False)))
    assert told[:1] == [Probe("a")]
    assert isinstance(told[1], Take)
    assert state.state == "CANDIDATE"


def test_a_lease_that_is_not_renewed_is_over_whatever_is_heard() -> None:
    """A leader that cannot write must not be followed for ever: its pulses do not count as a renewal."""
    state = following()
    told: list[Effect] = []
    for tenth in range(1, 110):
        state, effects = run(state, (100 + tenth / 10, Heard("a", 3)), (100 + tenth / 10, Tick()))
        told += effects
    assert told
    assert isinstance(told[0], Take)
    assert "has not renewed its lease" in told[0].reason


def test_later_voters_wait_longer_than_the_first() -> None:
    """So that they do not all write at once."""
    first, told_first = run(following(rank=0), (102.6, Tick()))
    second, told_second = run(following(rank=1), (102.6, Tick()))
    assert (told_first, told_second) == ([Probe("a")], [])
    assert first.state == second.state == "FOLLOWER"


def test_a_watcher_never_takes_the_lead() -> None:
    """It has no rank."""
    _, told = run(following(rank=None), (102.6, Tick()), (102.7, Probed("a", reachable=False)), (150.0, Tick()))
    assert told == []


def test_a_lead_that_was_given_back_is_taken_at_once_by_the_successor_only() -> None:
    """A graceful stop hands over in one look at the registry."""
    for successor, expected in (("b", 1), ("c", 0)):
        state, _ = step(following(), Observed(3, None, "", 0, 0, successor=successor), 101.0)
        _, told = step(state, Tick(), 101.0)
        assert len(told) == expected


def test_a_node_that_comes_back_takes_its_own_lead_again_in_a_new_term() -> None:
    """Its former process is gone: it holds the folder's lock."""
    state, _ = step(Leadership("a", "new"), Observed(3, "a", "old", 7, 0), 100.0)
    state, told = step(state, Tick(), 100.0)
    assert [type(each) for each in told] == [Take]
    state, told = step(state, Confirmed(4, 0, sent_s=100.0), 100.1)
    assert told == (Lead(4),)
    assert state.state == "LEADER"


def leading() -> Leadership:
    """A leader b in term 4 since 100.0."""
    state, _ = run(following(), (112.0, Tick()), (112.1, Confirmed(4, 0, sent_s=112.0)))
    assert state.leads
    return state


def test_a_leader_renews_and_loses_the_lead_when_it_cannot_before_the_others_take_it() -> None:
    """Its own margin is on the safe side: it counts from when it sent, and half a second less."""
    state, told = run(leading(), (115.0, Tick()))
    assert told == [Renew()]
    state, told = run(state, (116.0, Failed()), (116.5, Tick()))
    assert told == [Renew()]
    state, told = run(state, (117.0, Failed()), (121.49, Tick()), (121.6, Tick()))
    assert [type(each) for each in told] == [Renew, Yield]
    assert state.state == "CANDIDATE"


def test_a_leader_that_sees_another_one_steps_down_at_once() -> None:
    """Whatever its own lease says."""
    state, told = step(leading(), Observed(5, "c", "pc", 0, 1), 113.0)
    assert told == (Yield("c leads in term 5"),)
    assert state.state == "FOLLOWER"


def test_a_node_that_is_no_member_is_passive_and_stays_so() -> None:
    """JA7: it does not vote any more."""
    state, told = step(leading(), Observed(5, "c", "pc", 0, None, member=False), 113.0)
    assert (state.state, [type(each) for each in told]) == ("PASSIVE", [Yield])
    assert step(state, Tick(), 200.0)[1] == ()


def test_an_older_copy_of_the_registry_changes_nothing() -> None:
    """A watch may repeat what is known."""
    state = leading()
    assert step(state, Observed(3, "a", "pa", 9, 0), 113.0) == (state, ())


@dataclass
class Document:
    """The registry's lead, written by compare-and-set."""

    term: int = 0
    holder: str | None = None
    nonce: str = ""
    sequence: int = 0
    revision: int = 0
    history: list[tuple[int, str]] = field(default_factory=list)


@pytest.mark.parametrize("seed", range(60))
def test_ja4_whoever_is_paused_or_cut_off_there_is_one_leader_per_term_and_one_in_the_end(seed: int) -> None:
    """Late messages, lost writes, pauses and splits: a term has one leader, and a calm minute has one too."""
    simulate(seed)


@pytest.mark.soak
@pytest.mark.parametrize("thousand", range(3))
def test_ja4_the_same_for_thousands_of_seeds(thousand: int) -> None:
    """Where one fails, its seed is in the trace."""
    for seed in range(1000 * thousand, 1000 * (thousand + 1)):
        simulate(seed)


def simulate(seed: int) -> None:
    """Let three nodes live for four minutes, of which the last one is calm."""
    random_ = random.Random(seed)
    nodes = {name: Leadership(name, f"p{name}") for name in "abc"}
    document, paused, split, now_s = Document(), dict.fromkeys("abc", 0.0), dict.fromkeys("abc", 0.0), 0.0

    def tell(name: str, event: Event) -> None:
        nodes[name], effects = step(nodes[name], event, now_s)
        for effect in effects:
            act(name, effect)

    def see(name: str) -> None:
        rank = "abc".index(name)
        tell(name, Observed(document.term, document.holder, document.nonce, document.sequence, rank))

    def act(name: str, effect: Effect) -> None:
        node = nodes[name]
        if isinstance(effect, Probe):
            tell(name, Probed(effect.node, reachable=split[effect.node] <= now_s and split[name] <= now_s))
        if not isinstance(effect, (Take, Renew)):
            return
        if split[name] > now_s or random_.random() < 0.1:
            tell(name, Failed())
            return
        seen = (node.term, node.holder, node.holder_nonce)
        mine = (document.holder, document.nonce) == (name, f"p{name}")
        if (isinstance(effect, Take) and seen != (document.term, document.holder, document.nonce)) or (
            isinstance(effect, Renew) and not mine
        ):
            tell(name, Failed(conflict=True))
            see(name)
            return
        document.revision += 1
        if isinstance(effect, Take):
            document.term, document.holder, document.nonce, document.sequence = document.term + 1, name, f"p{name}", 0
            document.history.append((document.term, name))
        else:
            document.sequence += 1
        if random_.random() < 0.1:
            tell(name, Failed())  # written, and the answer was lost
        else:
            tell(name, Confirmed(document.term, document.sequence, now_s))

    for tick in range(2400):
        now_s = tick / 10
        calm = tick > 1700
        for name in "abc":
            if not calm and random_.random() < 0.004:
                paused[name] = now_s + random_.uniform(0, 15)
            if not calm and random_.random() < 0.004:
                split[name] = now_s + random_.uniform(0, 15)
            if paused[name] > now_s and not calm:
                continue
            if split[name] <= now_s or calm:
                split[name] = min(split[name], now_s) if calm else split[name]
                if random_.random() < 0.7:
                    see(name)
                for other, node in nodes.items():
                    if other != name and node.leads and (paused[other] <= now_s or calm) and split[other] <= now_s:
                        tell(name, Heard(other, node.term))
            tell(name, Tick())
    terms = [term for term, _ in document.history]
    assert terms == sorted(set(terms))
    leaders = [name for name, node in nodes.items() if node.leads]
    assert leaders == [document.holder]
    assert all(node.leader(now_s) == document.holder for node in nodes.values())
    assert replace(nodes["a"]) == nodes["a"]
