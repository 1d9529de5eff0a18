"""AA6, AA7: what a query cube does when it hears of a data cube, and when it hears nothing of it."""

from __future__ import annotations

from app_framework.distribution.liveness import (
    Discovered,
    Effect,
    Event,
    Fetch,
    FetchFailed,
    Heard,
    Lose,
    Peer,
    Refused,
    Retry,
    Return,
    Stamp,
    Tick,
    Unreachable,
    step,
)

FIRST = Stamp("run-1", 7, "s")
SECOND = Stamp("run-1", 8, "s")
RESTARTED = Stamp("run-2", 9, "s")


def after(*events: Event, every_s: float = 0.0) -> tuple[Peer, list[Effect]]:
    """Return what is known after some events and what had to be done, one event after the other."""
    peer = Peer()
    effects: list[Effect] = []
    for number, event in enumerate(events):
        peer, done = step(peer, event, number * every_s)
        effects += done
    return peer, effects


def test_one_that_is_heard_is_discovered_and_then_active() -> None:
    """AA7: and heard again, it stays so without anything to do."""
    peer, effects = after(Heard(FIRST), Heard(FIRST), Discovered(FIRST), Heard(FIRST))
    assert (peer.phase, peer.known, effects) == ("active", FIRST, [Fetch(FIRST, None)])


def test_news_are_fetched_as_a_difference_one_after_the_other() -> None:
    """AA13: what is told while a contribution is on its way is fetched after it."""
    peer, effects = after(Heard(FIRST), Discovered(FIRST), Heard(SECOND))
    assert (peer.phase, effects[-1]) == ("active", Fetch(SECOND, FIRST))
    _, effects = after(Heard(FIRST), Heard(SECOND), Discovered(FIRST))
    assert effects == [Fetch(FIRST, None), Fetch(SECOND, FIRST)]


def test_a_word_that_was_overtaken_says_only_that_it_is_there() -> None:
    """AA13: nothing goes back to an earlier version."""
    peer, effects = after(Heard(SECOND), Discovered(SECOND), Heard(FIRST), every_s=1)
    assert (peer.known, peer.announced, peer.heard_s, effects) == (SECOND, SECOND, 2, [Fetch(SECOND, None)])


def test_one_that_is_silent_is_not_asked_and_returns_with_its_next_word() -> None:
    """AA6: what it held is known still."""
    silent = (Heard(FIRST), Discovered(FIRST), Tick(suspect_s=0.5))
    peer, effects = after(*silent, every_s=1)
    assert (peer.phase, peer.known, effects[-1]) == ("suspect", FIRST, Lose())
    peer, effects = after(*silent, Heard(FIRST), every_s=1)
    assert (peer.phase, effects[-1]) == ("active", Return())


def test_one_that_returns_with_news_is_asked_for_what_is_known_while_they_come() -> None:
    """AA6: the version that is known may still be there."""
    peer, effects = after(Heard(FIRST), Discovered(FIRST), Unreachable(), Heard(SECOND))
    assert (peer.phase, effects[-3:]) == ("active", [Lose(), Return(), Fetch(SECOND, FIRST)])


def test_another_incarnation_is_discovered_before_it_is_asked() -> None:
    """AA6: nothing that was known of the one before is used."""
    peer, effects = after(Heard(FIRST), Discovered(FIRST), Heard(RESTARTED))
    assert (peer.phase, peer.known, effects[-2:]) == ("discovering", None, [Lose(), Fetch(RESTARTED, None)])
    peer, effects = after(Heard(FIRST), Heard(RESTARTED))
    assert (peer.phase, peer.fetching, effects[-1]) == ("discovering", RESTARTED, Fetch(RESTARTED, None))


def test_a_refused_one_is_fetched_again_when_it_became_another_or_others_changed() -> None:
    """AA4: not with every word that it says."""
    refused = (Heard(FIRST), Refused(FIRST, "no"), Heard(FIRST))
    peer, effects = after(*refused)
    assert (peer.phase, peer.refused, effects) == ("refused", "no", [Fetch(FIRST, None)])
    assert after(*refused, Heard(SECOND))[1][-1] == Fetch(SECOND, None)
    assert after(*refused, Retry())[1][-1] == Fetch(FIRST, None)


def test_news_that_are_refused_leave_what_was_known() -> None:
    """AA4: until that version is not kept any more."""
    peer, _ = after(Heard(FIRST), Discovered(FIRST), Heard(SECOND), Refused(SECOND, "no"), Heard(SECOND))
    assert (peer.phase, peer.known, peer.refused, peer.fetching) == ("active", FIRST, "no", None)


def test_a_failed_fetch_is_tried_again_when_something_is_heard() -> None:
    """AA7: the next word shows that it is there."""
    _, effects = after(Heard(FIRST), FetchFailed(), Heard(FIRST))
    assert effects == [Fetch(FIRST, None), Fetch(FIRST, None)]


def test_what_turns_out_other_than_it_was_told_is_fetched_once() -> None:
    """It changed after that word; its next word, not a fetch after the other, tells whether it is known."""
    changed = Stamp("run-1", 7, "other")
    peer, effects = after(Heard(FIRST), Discovered(changed))
    assert (peer.phase, peer.known, effects) == ("active", changed, [Fetch(FIRST, None)])
    _, effects = after(Heard(FIRST), Discovered(changed), Heard(FIRST))
    assert effects == [Fetch(FIRST, None), Fetch(FIRST, changed)]
