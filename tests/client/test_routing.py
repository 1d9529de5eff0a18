"""Which node is asked next, told as a pure step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.client.routing import (
    HOPS_MAX,
    Answered,
    Ask,
    Begun,
    Deliver,
    Event,
    Failed,
    GiveUp,
    Lose,
    Route,
    order,
    step,
)

A, B, C = "http://a", "http://b", "http://c"


def route(*, replaces: bool) -> Route:
    return Route((A, B, C), replaces)


def test_a_request_begins_at_the_preferred_node() -> None:
    assert step(route(replaces=False), Begun()).effect == Ask(A)


@pytest.mark.parametrize("replaces", [True, False])
def test_a_request_that_did_not_arrive_goes_to_the_next_node(replaces: bool) -> None:
    """Whatever it is, because nothing happened."""
    assert step(route(replaces=replaces), Failed(A, "refused", sent=False)).effect == Ask(B)


def test_what_may_have_happened_is_repeated_only_where_that_changes_nothing() -> None:
    lost = Failed(A, "no answer", sent=True)
    assert step(route(replaces=True), lost).effect == Ask(B)
    assert step(route(replaces=False), lost).effect == Lose()


@pytest.mark.parametrize(
    ("answer", "replaced", "otherwise"),
    [
        (Answered(A, 200), Deliver(), Deliver()),
        (Answered(A, 404, "NOT_FOUND"), Deliver(), Deliver()),
        (Answered(A, 500, "INTERNAL"), Deliver(), Deliver()),
        (Answered(A, 503, "SERVICE_UNAVAILABLE"), Ask(B), Ask(B)),
        (Answered(A, 503, "UNSTABLE"), Ask(B), Ask(B)),
        (Answered(A, 503, "NO_QUORUM"), Deliver(), Deliver()),
        (Answered(A, 503), Ask(B), Deliver()),
        (Answered(A, 504, "TIMEOUT"), Deliver(), Deliver()),
        (Answered(A, 503, "NOT_LEADER", leader=C), Ask(C), Ask(C)),
        (Answered(A, 503, "NOT_LEADER", leader="http://new"), Ask("http://new"), Ask("http://new")),
    ],
)
def test_an_answer_is_delivered_unless_another_node_may_know_better(
    answer: Answered, replaced: object, otherwise: object
) -> None:
    """A refusal that says that nothing happened sends any request on; the leader that it names comes first."""
    assert step(route(replaces=True), answer).effect == replaced
    assert step(route(replaces=False), answer).effect == otherwise


def test_what_the_last_node_said_is_told_rather_than_silence() -> None:
    done = Route((A,), True)
    assert step(done, Answered(A, 503, "UNSTABLE")).effect == Deliver()
    assert step(done, Failed(A, "refused", sent=False)).effect == GiveUp()


events = st.one_of(
    st.builds(Failed, st.sampled_from([A, B, C]), st.just("gone"), sent=st.booleans()),
    st.builds(
        Answered,
        st.sampled_from([A, B, C]),
        st.sampled_from([200, 404, 421, 503, 504]),
        st.sampled_from(["", "NOT_LEADER", "UNSTABLE", "NO_QUORUM"]),
        leader=st.sampled_from([None, A, B, "http://d", "http://e"]),
    ),
)


@given(st.lists(events, min_size=1), st.booleans())
def test_a_request_ends_and_asks_no_node_twice(happenings: list[Event], replaces: bool) -> None:
    """Whatever happens: leaders that name each other lead nobody in a circle."""
    following = step(Route((A, B, C), replaces), Begun())
    asked: list[str] = []
    for happening in happenings:
        if not isinstance(following.effect, Ask):
            break
        asked.append(following.effect.url)
        assert isinstance(happening, Failed | Answered)
        at = type(happening)(following.effect.url, *list(_rest(happening)))
        following = step(following.route, at)
    assert len(asked) == len(set(asked)) <= HOPS_MAX


def _rest(event: Failed | Answered) -> list[object]:
    if isinstance(event, Failed):
        return [event.reason, event.sent]
    return [event.status, event.code, event.detail, event.leader]


def test_nodes_are_ordered_without_repetitions() -> None:
    assert order([A, B, A], preferred=B) == (B, A)
