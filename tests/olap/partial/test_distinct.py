"""AA1: distinct values of several nodes are counted exactly, whatever form each node sends them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database
from app_framework.olap.partial import KnownDictionaries, PartialAnswerError, distinct, number_sets
from app_framework.olap.partial.dictionaries import OwnDictionaries
from app_framework.olap.partial.distinct import bitmap_sql, marked, united
from app_framework.olap.partial.number_sets import aligned
from tests.olap.partial.splitting import EXAMPLES

GROUPS = st.lists(st.one_of(st.none(), st.sets(st.integers(-70, 70), max_size=8)), max_size=5)


def as_lists(groups: Sequence[Any], kind: pa.DataType | None = None) -> tuple[pa.ChunkedArray, pa.Field]:
    column = pa.array([None if one is None else list(one) for one in groups], pa.list_(kind or pa.int32()))
    return pa.chunked_array([column[:2], column[2:]]), pa.field("p", column.type)


def as_bitmaps(groups: Sequence[set[int] | None]) -> tuple[pa.ChunkedArray, pa.Field]:
    """Return what the engine makes of the same groups, as a node asks it."""
    numbers = sorted({number for one in groups for number in one or ()})
    span = (numbers[0], numbers[-1]) if numbers else (3, 5)
    low, high = aligned(*span)
    bits = [
        None if one is None else sum(1 << (high - number) for number in one).to_bytes((high - low + 1) // 8, "big")
        for one in groups
    ]
    return pa.chunked_array([pa.array(bits, pa.binary())]), marked(pa.field("p", pa.binary()), span)


def counted(columns: Sequence[tuple[pa.ChunkedArray, pa.Field]], dictionaries: KnownDictionaries | None = None) -> int:
    """Return how many values stand in all groups together, as the engine counts them."""
    known = dictionaries or KnownDictionaries()
    found = united([column for column, _ in columns], [field for _, field in columns], known)
    if not found.bitmaps:
        return len({value for column in found.columns for one in column.to_pylist() for value in one})
    merged = 0
    for column in found.columns:
        for one in column.to_pylist():
            merged |= int.from_bytes(one, "big")
    return merged.bit_count()


@settings(max_examples=5 * EXAMPLES)
@given(st.lists(st.tuples(GROUPS, st.booleans()), min_size=1, max_size=4), st.sampled_from([0, 64, 2**20]))
def test_lists_and_bitmaps_of_different_ranges_are_united(nodes: list[tuple[Any, bool]], bytes_max: int) -> None:
    """AA1: bitmaps where they are small enough, lists otherwise; no value is lost or counted twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "BITMAP_BYTES_MAX", bytes_max)
        patch.setattr(number_sets, "BLOCK_BYTES", 64)
        found = counted([as_bitmaps(groups) if bits else as_lists(groups) for groups, bits in nodes])
    assert found == len({value for groups, _ in nodes for one in groups for value in one or ()})


@pytest.mark.parametrize(
    ("kind", "groups", "count"),
    [
        (pa.string(), [["a", "b"], ["b", "é"], None], 3),
        (pa.float64(), [[0.0, float("nan")], [-0.0, 1.5], [float("nan")]], 3),
        (pa.bool_(), [[True], [False, True]], 2),
        (pa.uint64(), [[2**64 - 1], [1, 2**64 - 1]], 2),
        (pa.string(), [], 0),
    ],
)
def test_values_of_other_types_are_numbered(kind: pa.DataType, groups: list[Any], count: int) -> None:
    """AA1: by one dictionary for all nodes, as the engine tells values apart."""
    assert counted([as_lists(groups, kind), as_lists(groups[:1], kind)]) == count


def test_the_engine_makes_bitmaps_that_begin_where_a_byte_does() -> None:
    """AA1: so that those of two nodes can be laid side by side."""
    with Database.open(tables=[]) as database:
        [(bits,)] = database.query(f"SELECT {bitmap_sql('n', (-3, 17))} FROM (SELECT unnest([-3, 0, 17]) AS n)")
    assert bits == (1 << 26 | 1 << 23 | 1 << 6).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("column", "field"),
    [
        (pa.chunked_array([pa.array([b"\x01"])]), pa.field("p", pa.binary())),
        (pa.chunked_array([pa.array([b"\x01"])]), pa.field("p", pa.binary(), metadata={"low": "3"})),
        (pa.chunked_array([pa.array([b"\x01"])]), pa.field("p", pa.binary(), metadata={"low": "x"})),
        (pa.chunked_array([pa.array([b"\x01", b"\x01\x02"])]), pa.field("p", pa.binary(), metadata={"low": "8"})),
        (pa.chunked_array([pa.array([1])]), pa.field("p", pa.int64())),
        (pa.chunked_array([pa.array([[1, None]])]), pa.field("p", pa.list_(pa.int64()))),
    ],
)
def test_what_holds_no_distinct_values_is_refused(column: pa.ChunkedArray, field: pa.Field) -> None:
    """A4: a node that sends it is named by whoever asked it."""
    with pytest.raises(PartialAnswerError):
        united([column], [field], KnownDictionaries())
    texts, of_texts = as_lists([["a"]], pa.string())
    with pytest.raises(PartialAnswerError):
        united([texts, column], [of_texts, field], KnownDictionaries())


TEXTS = st.lists(st.one_of(st.none(), st.sets(st.text("abé", max_size=2), max_size=6)), min_size=1, max_size=4)
PARTS = st.lists(st.tuples(st.integers(0, 2), TEXTS), min_size=1, max_size=4)


@settings(max_examples=5 * EXAMPLES)
@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from([0, 2**20]))
def test_texts_that_nodes_number_are_counted_whatever_of_them_is_known(
    answers: list[list[tuple[int, list[Any]]]], bytes_max: int
) -> None:
    """AA1: a dictionary grows from answer to answer, each text of it is sent once, and one node sends plain texts."""
    nodes, known = [OwnDictionaries(0), OwnDictionaries(0), None], KnownDictionaries()
    sent: dict[int, list[str]] = {0: [], 1: []}
    for answer in answers:
        columns = []
        for place, groups in answer:
            column, field = as_lists(groups, pa.string())
            node = nodes[place]
            if node is not None:
                lengths = known.lengths()
                numbered, field = node.numbered("word", column.combine_chunks(), field, lengths)
                column = pa.chunked_array([numbered])
                sent[place] += came_along(field)
                known.sets([numbered], [field])
            columns.append((column, field))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distinct, "BITMAP_BYTES_MAX", bytes_max)
            found = counted(columns, known)
        assert found == len({text for _, groups in answer for one in groups for text in one or ()})
    assert all(len(texts) == len(set(texts)) for texts in sent.values())


def came_along(field: pa.Field) -> list[str]:
    with pa.ipc.open_stream(field.metadata[b"texts"]) as reader:
        return [str(text) for text in reader.read_all().column(0).to_pylist()]


def test_a_dictionary_that_there_is_no_room_for_comes_with_every_answer() -> None:
    """A13: what is kept is bounded, and no answer depends on it."""
    known = KnownDictionaries(bytes_max=1)
    for word in ("a", "b", "c"):
        column, field = as_lists([[word, "x"]], pa.string())
        numbered, told = OwnDictionaries(0).numbered("word", column.combine_chunks(), field, known.lengths())
        for _ in ("in one context", "and in another"):
            assert counted([(pa.chunked_array([numbered]), told)], known) == 2
    assert len(known.lengths()) == 1


def test_numbers_that_their_dictionary_does_not_have_are_refused() -> None:
    """A4: also where the dictionary is one that is not known here."""
    node, known = OwnDictionaries(0), KnownDictionaries()
    column, field = as_lists([["a", "b"], ["b"]], pa.string())
    numbered, told = node.numbered("word", column.combine_chunks(), field, {})
    assert counted([(pa.chunked_array([numbered]), told)], known) == 2
    late = told.with_metadata({**told.metadata, b"start": b"2"})
    with pytest.raises(PartialAnswerError, match="not known"):
        united([pa.chunked_array([numbered])], [late], KnownDictionaries())
    for beyond in (pa.array([b"\xff"]), pa.array([[0, 2]], pa.list_(pa.int32())), pa.array([[-1]])):
        with pytest.raises(PartialAnswerError, match="beyond its dictionary"):
            united([pa.chunked_array([beyond])], [told], known)
    for key in (b"start", b"texts"):
        broken = told.with_metadata({**told.metadata, key: b"\x00"})
        with pytest.raises(PartialAnswerError, match="cannot be read"):
            united([pa.chunked_array([numbered])], [broken], KnownDictionaries())
