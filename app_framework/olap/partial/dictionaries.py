"""Texts by their numbers: each node numbers its own, sends a text at most once, and whoever merges renumbers.

A dictionary only grows, so that what was sent of it stays true: a node is told how much of it is known already, and
sends the rest with the column that is numbered by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app_framework.olap.partial.answer import PartialAnswerError
from app_framework.olap.partial.number_sets import (
    Lists,
    Numbers,
    NumberSets,
    Renumbered,
    bitmap_array,
    integers,
    list_array,
    lists_of,
    matrix_of,
)

TOKEN, START, TEXTS = b"dictionary", b"start", b"texts"
"""The field metadata of a numbered column: which dictionary, from which number on texts come along, and those."""

NUMBERED_FROM = 20_000
"""From how many texts of a column on they are sent as numbers."""

TEXTS_MAX = 2_000_000
"""Of so many different texts, and more, none is numbered."""

KEPT_BYTES_MAX = 256 * 1024 * 1024
NUMBERINGS_MAX = 16
UNUSED_S = 24 * 3600.0
"""No question is open for longer."""


class _OwnDictionary:
    """The texts of one argument that a node has numbered."""

    def __init__(self) -> None:
        self.token = uuid4().hex
        self.texts = pa.array([], pa.string())

    def numbers(self, texts: pa.Array) -> Numbers | None:
        """Return the number of each text; new ones get the next. None where there would be too many."""
        numbers = pc.index_in(texts, value_set=self.texts)
        if not numbers.null_count:
            return integers(numbers)
        encoded = texts.dictionary_encode()
        known = pc.index_in(encoded.dictionary, value_set=self.texts)
        new = encoded.dictionary.filter(known.is_null())
        if len(self.texts) + len(new) > TEXTS_MAX:
            return None
        numbers = integers(known.fill_null(-1)).copy()
        numbers[numbers < 0] = np.arange(len(self.texts), len(self.texts) + len(new))
        self.texts = pa.concat_arrays([self.texts, new])
        return numbers[integers(encoded.indices)]


class OwnDictionaries:
    """The dictionaries of one node, by what they are of.

    Args:
        numbered_from: from how many texts of a column on they are sent as numbers.
    """

    def __init__(self, numbered_from: int = NUMBERED_FROM) -> None:
        self._numbered_from = numbered_from
        self._own: dict[str, _OwnDictionary] = {}
        self._lock = threading.Lock()

    def numbered(
        self, of: str, column: pa.Array, field_: pa.Field, known: Mapping[str, int]
    ) -> tuple[pa.Array, pa.Field]:
        """Return a column of lists of texts by their numbers, as lists or bitmaps; the same where that is no gain.

        Args:
            of: what is aggregated, as SQL.
            column: the texts of each group.
            field_: of the column.
            known: how much of each dictionary is known where the column goes.
        """
        texts = column.flatten()
        if len(texts) < self._numbered_from:
            return column, field_
        with self._lock:
            own = self._own.setdefault(of, _OwnDictionary())
            numbers, all_texts = own.numbers(texts), own.texts
        if numbers is None:
            return column, field_
        start = min(known.get(own.token, 0), len(all_texts))
        metadata = {TOKEN: own.token.encode(), START: str(start).encode(), TEXTS: _written(all_texts[start:])}
        lists = Lists(numbers, integers(pc.list_value_length(column).fill_null(0)))
        size = len(all_texts) // 8 + 1
        if size * lists.rows < 4 * len(numbers):
            packed = bitmap_array([*lists.bits(0, size)], size)
        else:
            packed = list_array(lists, pa.int32())
        return packed, pa.field(field_.name, packed.type, metadata=metadata)


@dataclass(slots=True)
class _Known:
    """As much of a dictionary as was sent, and when it was last used."""

    texts: pa.Array
    used_s: float = field(default_factory=time.monotonic)


class KnownDictionaries:
    """What is known of the dictionaries of all nodes where their columns are merged; one for many questions.

    Args:
        bytes_max: how much is kept; what is not comes again with every answer.
    """

    def __init__(self, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._known: dict[str, _Known] = {}
        self._numbers: dict[tuple[tuple[str, int], ...], list[Numbers]] = {}
        self._lock = threading.Lock()

    def lengths(self) -> dict[str, int]:
        """Return how much of each is known: what a question tells nodes."""
        with self._lock:
            return {token: len(known.texts) for token, known in self._known.items()}

    def sets(self, columns: Sequence[pa.Array], fields: Sequence[pa.Field]) -> list[NumberSets]:
        """Return columns of texts, of which some are numbered by their nodes, under one numbering.

        Raises:
            PartialAnswerError: a column holds numbers that its dictionary does not have.
        """
        tokens = [_token(one) for one in fields]
        texts = {token: self._learnt(token, one) for token, one in zip(tokens, fields, strict=True) if token}
        plain = [column.flatten() for column, token in zip(columns, tokens, strict=True) if not token]
        numbers = iter(self._renumbered(texts, plain))
        by_token = {token: next(numbers) for token in texts}
        sets: list[NumberSets] = []
        for column, token in zip(columns, tokens, strict=True):
            if token:
                sets.append(_renumbered(column, by_token[token]))
            else:
                sets.append(Lists(next(numbers), integers(pc.list_value_length(column).fill_null(0))))
        return sets

    def _learnt(self, token: str, of: pa.Field) -> pa.Array:
        """Return all texts of a dictionary that is known, or that came with a column."""
        start, more = _sent(of)
        with self._lock:
            known = self._known.get(token)
            if start > (len(known.texts) if known else 0):
                raise PartialAnswerError("its texts are numbered by a dictionary that is not known")
            if known is None:
                if not self._has_room():
                    return more  # what is not kept comes with every answer
                known = self._known[token] = _Known(pa.array([], pa.string()))
            known.used_s = time.monotonic()
            new = more[max(0, len(known.texts) - start) :]
            if len(new):
                known.texts = pa.concat_arrays([known.texts, new])
            return known.texts

    def _has_room(self) -> bool:
        """Return whether another dictionary may be kept; those that no open question was told of make room for it."""
        if self._kept_bytes() < self._bytes_max:
            return True
        oldest_s = time.monotonic() - UNUSED_S
        self._known = {token: known for token, known in self._known.items() if known.used_s > oldest_s}
        return self._kept_bytes() < self._bytes_max

    def _kept_bytes(self) -> int:
        return sum(int(known.texts.nbytes) for known in self._known.values())

    def _renumbered(self, texts: Mapping[str, pa.Array], plain: Sequence[pa.Array]) -> list[Numbers]:
        """Return the common numbers of the texts of dictionaries, and of plain texts; the former are remembered."""
        key = tuple((token, len(own)) for token, own in texts.items())
        if not plain and (found := self._numbers.get(key)) is not None:
            return found
        pieces = [*texts.values(), *plain]
        codes = integers(pa.concat_arrays(pieces).dictionary_encode().indices)
        numbers = np.split(codes, np.cumsum([len(piece) for piece in pieces])[:-1])
        if not plain:
            self._numbers = {key: numbers, **dict([*self._numbers.items()][: NUMBERINGS_MAX - 1])}
        return numbers


def is_numbered(field_: pa.Field) -> bool:
    """Return whether a column holds the numbers of texts."""
    return bool(_token(field_))


def _token(field_: pa.Field) -> str:
    return str((field_.metadata or {}).get(TOKEN, b""), "ascii", "replace")


def _renumbered(column: pa.Array, numbers: Numbers) -> NumberSets:
    """Return what a node has numbered by other numbers."""
    if pa.types.is_binary(column.type):
        matrix, last = matrix_of(column), len(numbers) // 8
        if np.unpackbits(matrix[:, last:], axis=1)[:, len(numbers) % 8 :].any():
            raise PartialAnswerError("its bitmaps have numbers beyond its dictionary")
        return Renumbered(matrix, numbers[: matrix.shape[1] * 8])
    lists = lists_of(column.flatten(), column)
    if (span := lists.range) is not None and (span[0] < 0 or span[1] >= len(numbers)):
        raise PartialAnswerError("it has numbers beyond its dictionary")
    return Lists(numbers[lists.values], lists.counts)


def _written(texts: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.concat_arrays([texts])], names=["text"])  # of a slice, what it holds
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _sent(of: pa.Field) -> tuple[int, pa.Array]:
    """Return which texts of a dictionary came with a column: the number of the first, and those."""
    try:
        start = int(of.metadata[START])
        with pa.ipc.open_stream(of.metadata[TEXTS]) as reader:
            texts = reader.read_all()
        texts.validate(full=True)
        column = texts.column(0).cast(pa.string())
    except (KeyError, ValueError, OSError, IndexError, pa.ArrowException) as error:
        raise PartialAnswerError("its dictionary cannot be read") from error
    whole = column.combine_chunks()
    return start, whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
