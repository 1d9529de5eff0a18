"""What a model relies on beyond keys and references: it is looked at with the model and with every commit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that is true of the rows of some tables.

    Args:
        tables: the tables whose changes may break it.
        sql: a query whose rows, texts, each say a breach; it has none while the promise is kept.
        told: what a breach is, in a sentence.
    """

    tables: frozenset[str]
    sql: str
    told: str

    def sentence(self, breaches: list[str]) -> str:
        """Return what is wrong, with a line for each breach."""
        return "\n".join([self.told, *(f"    {breach}" for breach in breaches)])
