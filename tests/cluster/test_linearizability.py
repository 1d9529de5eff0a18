"""The judge is judged: it accepts what an atomic entry did, and finds what it cannot have done."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.linearizability import NEVER, Operation, Read, Value, Write, explained

SEEDS = st.integers(0, 10**9)


def atomic_history(random: Random, count: int = 60, clients: int = 5, unknown: float = 0.05) -> list[Operation]:
    """What some clients saw of an entry where everything happens at one moment between call and answer."""
    free = [0.0] * clients
    moments = []
    for _ in range(count):
        client = min(range(clients), key=free.__getitem__)
        called = free[client] + random.random() * 0.1
        moment = called + random.random()
        free[client] = moment + random.random()
        moments.append((moment, called, free[client]))
    history, value, written = list[Operation](), None, 0
    for _, called, returned in sorted(moments):
        if random.random() < 0.5:
            history.append(Operation(called, returned, Read(value)))
            continue
        written += 1
        after: Value = None if value is not None and random.random() < 0.1 else f"v{written}"
        lost = random.random() < unknown
        history.append(Operation(called, NEVER if lost else returned, Write(value, after)))
        if not (lost and random.random() < 0.5):
            value = after
    return history


@given(SEEDS)
def test_what_an_atomic_entry_did_is_explained(seed: int) -> None:
    """Also with writes of which nobody knows whether they happened."""
    assert explained(atomic_history(Random(seed)))


@given(SEEDS)
def test_a_read_of_something_never_written_is_found(seed: int) -> None:
    """Such as a write that was reported as refused."""
    history = atomic_history(Random(seed))
    history.append(Operation(1000, 1001, Read("never written")))
    assert not explained(history)


@given(SEEDS)
def test_a_stale_read_is_found(seed: int) -> None:
    """A read that begins after a write was acknowledged and returns what was before it."""
    history = atomic_history(Random(seed), unknown=0)
    history = [
        *history,
        Operation(1000, 1001, Write(_final(history), "before")),
        Operation(1002, 1003, Write("before", "after")),
        Operation(1004, 1005, Read("before")),
    ]
    assert not explained(history)
    assert explained([*history[:-1], replace(history[-1], called=1001.5, returned=1002.5)])


@given(SEEDS)
def test_two_winners_of_a_race_are_found(seed: int) -> None:
    """Two acknowledged writes over the same value."""
    history = atomic_history(Random(seed), unknown=0)
    value = _final(history)
    race = [Operation(1000, 1001, Write(value, "one")), Operation(1000, 1001, Write(value, "two"))]
    assert not explained([*history, *race])
    assert explained([*history, race[0], replace(race[1], returned=NEVER)])


@given(SEEDS)
def test_a_lost_write_is_found(seed: int) -> None:
    """It was acknowledged, and the next writer found the value before it."""
    history = atomic_history(Random(seed), unknown=0)
    value = _final(history)
    assert not explained(
        [*history, Operation(1000, 1001, Write(value, "lost")), Operation(1002, 1003, Write(value, "next"))]
    )


def _final(history: list[Operation]) -> Value:
    """The value at the end, in the order in which the history was made."""
    return next((each.act.value for each in reversed(history)), None)
