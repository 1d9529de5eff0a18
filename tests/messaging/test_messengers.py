"""The messengers of a node by name, subjects, traces: the small parts of the room."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.errors import near_matches
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.messengers import Messengers, UnknownMessengerError
from app_framework.messaging.subject import check_pattern, check_subject, headers_size, literal_prefix, matches
from app_framework.messaging.trace import current_traceparent, is_traceparent, new_traceparent, with_traceparent

WORDS = st.text("abc1-", min_size=1, max_size=3)
SUBJECTS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(WORDS | st.just("*"), min_size=1, max_size=4).map(".".join) | SUBJECTS.map(lambda s: s + ".>")


def messengers() -> Messengers:
    return Messengers(Messenger(MemoryNetwork().bus("a")))


def test_a_messenger_is_found_by_name_or_alias_and_without_one_it_is_the_default() -> None:
    known = messengers()
    assert known.get() is known.get("in-memory") is known.get("In_Memory") is known.get("local") is known.default
    assert (known.names, len(known), list(known)) == (("in-memory",), 1, [known.default])


def test_netty_is_nats_and_its_absence_says_what_to_write() -> None:
    with pytest.raises(UnknownMessengerError, match=r"messaging\.type: nats"):
        messengers().get("netty")


def test_an_unknown_messenger_names_what_there_is() -> None:
    with pytest.raises(UnknownMessengerError, match=r"no messenger 'in-memroy'; it has in-memory\. Did you mean: in-m"):
        messengers().get("in-memroy")


@given(SUBJECTS)
def test_every_subject_matches_itself_and_everything(subject: str) -> None:
    assert check_subject(subject) == check_pattern(subject) == subject
    assert matches(subject, subject)
    assert matches(">", subject)


@given(PATTERNS, SUBJECTS)
def test_what_a_pattern_matches_begins_with_its_literal_words(pattern: str, subject: str) -> None:
    """On this the network in memory rests when it looks for subscriptions."""
    check_pattern(pattern)
    prefix = literal_prefix(pattern)
    if matches(pattern, subject):
        assert not prefix or f"{subject}.".startswith(f"{prefix}.")


@given(st.dictionaries(st.text("ABC-", min_size=1), st.text()))
def test_headers_are_measured_as_they_are_written(headers: dict[str, str]) -> None:
    wire = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    assert headers_size(headers) == (len(wire.encode()) if headers else 0)


def test_a_trace_holds_within_its_block_only() -> None:
    outer, inner = new_traceparent(), new_traceparent()
    with with_traceparent(outer):
        with with_traceparent(inner):
            assert current_traceparent() == inner
        assert current_traceparent() == outer
    assert current_traceparent() == ""


@pytest.mark.parametrize(
    "value",
    [
        "",
        "none",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    ],
)
def test_a_malformed_trace_changes_nothing(value: str) -> None:
    trace = new_traceparent()
    with with_traceparent(trace), with_traceparent(value):
        assert current_traceparent() == trace
    assert not is_traceparent(value)


def test_reprs_are_worth_reading() -> None:
    async def talk() -> None:
        network = MemoryNetwork()
        async with Messenger(network.bus("a")) as a:
            assert repr(a) == "<Messenger 'a' in-memory, connected, 0 services>"
            assert repr(network) == "<MemoryNetwork a>"
            assert repr(messengers()) == "<Messengers in-memory; default in-memory>"

    asyncio.run(talk())
    assert near_matches("in-memroy", ["in-memory"]) == ("in-memory",)
