"""Which levels questions need together: what is remembered of them, in bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

KINDS_MAX = 500


class QueryLog:
    """How often each kind of question was asked lately; of too many kinds the one that was not asked for longest goes.

    >>> log = QueryLog()
    >>> log.note(frozenset({"month"}))
    >>> log.note(frozenset({"month"}))
    >>> log.asked
    {frozenset({'month'}): 2.0}
    """

    def __init__(self, kinds_max: int = KINDS_MAX) -> None:
        self._kinds_max = kinds_max
        self._asked: OrderedDict[frozenset[str], float] = OrderedDict()

    @property
    def asked(self) -> Mapping[frozenset[str], float]:
        """The kinds by the levels that they need, each with how often."""
        return dict(self._asked)

    def note(self, levels: frozenset[str]) -> None:
        """Count a question."""
        self._asked[levels] = self._asked.get(levels, 0.0) + 1.0
        self._asked.move_to_end(levels)
        if len(self._asked) > self._kinds_max:
            self._asked.popitem(last=False)

    def fade(self) -> None:
        """Let what was asked count half from now on."""
        for levels in self._asked:
            self._asked[levels] /= 2

    def __len__(self) -> int:
        return len(self._asked)

    def __repr__(self) -> str:
        return f"<QueryLog {len(self)} kinds>"
