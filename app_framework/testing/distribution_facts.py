"""What a test says of how a distributed question was answered: which nodes were asked, for what, and what that cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from app_framework.messaging.memory_link import Passage

TRANSCRIPT_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What went over the network for one question.

    Args:
        nodes: how many questions each data node was sent.
        bytes: how many bytes each data node answered with.
    """

    nodes: Mapping[str, int]
    bytes: Mapping[str, int]

    @property
    def names(self) -> frozenset[str]:
        """The data nodes that were asked."""
        return frozenset(self.nodes)

    @property
    def round_trips(self) -> int:
        """How often one data node was asked, at most."""
        return max(self.nodes.values(), default=0)

    @classmethod
    def of(cls, passages: Iterable[Passage], asker: str, doors: Mapping[str, str]) -> Asked:
        """Return what a part of a transcript says.

        Args:
            passages: since the question was asked.
            asker: the query node.
            doors: the data node of each subject where questions are answered.
        """
        nodes: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for passage in passages:
            if passage.fate != "delivered":
                continue
            if passage.sender == asker and passage.subject in doors:
                nodes[doors[passage.subject]] = nodes.get(doors[passage.subject], 0) + 1
            elif passage.receiver == asker and passage.subject.startswith("_INBOX."):
                sizes[passage.sender] = sizes.get(passage.sender, 0) + passage.size_bytes
        return cls(nodes, {node: size for node, size in sizes.items() if node in nodes})


@dataclass(frozen=True, slots=True)
class Plan:
    """What `explain` told.

    Args:
        document: all of it.
    """

    document: Mapping[str, object]

    @property
    def nodes(self) -> Mapping[str, Mapping[str, object]]:
        """What is told of each data node that was asked: its version, rows, bytes, milliseconds, members."""
        listed = cast("Iterable[Mapping[str, object]]", self.document.get("nodes", ()))
        return {str(entry["node"]): entry for entry in listed}

    @property
    def sql(self) -> str:
        """The statement that merges what came."""
        return str(self.document.get("sql", ""))

    def members(self, node: str) -> Mapping[str, tuple[object, ...]]:
        """Return the members that a data node was asked for, by level; nothing where it was asked for all."""
        found = cast("Mapping[str, Iterable[object]]", self.nodes[node].get("members") or {})
        return {level: tuple(members) for level, members in found.items()}


def since(passages: Sequence[Passage], last: Passage | None) -> list[Passage]:
    """Return the passages that came after one, the oldest first; all where it is not remembered any more."""
    found: list[Passage] = []
    for passage in reversed(passages):
        if passage is last:
            break
        found.append(passage)
    return found[::-1]


def transcript_text(passages: Iterable[Passage], names: Mapping[str, str]) -> str:
    """Return the last passages, for people.

    Args:
        passages: of a network, the oldest first.
        names: what stands for words of subjects that people cannot read.
    """
    lines = [str(passage) for passage in passages]
    cut = len(lines) - TRANSCRIPT_SHOWN_MAX
    shown = [f"… {cut:,} earlier messages", *lines[-TRANSCRIPT_SHOWN_MAX:]] if cut > 0 else lines
    text = "\n".join(shown)
    for word, name in names.items():
        text = text.replace(word, name)
    return text
