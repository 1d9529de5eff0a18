"""A section of the start page: what one room of the node has, with links into it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class StudioItem:
    """One thing that the node has.

    Args:
        name: what it is called.
        url: where it leads, a path of this node.
        text: one line about it.
        parts: heading → names, shown when the item is opened: dimensions, measures.
        example: a command that a person can copy.
    """

    name: str
    url: str
    text: str = ""
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    example: str = ""


@dataclass(frozen=True, slots=True)
class CubePages:
    """A component that knows where a cube can be looked at.

    Args:
        url: name of a cube → path of its page.
    """

    url: Callable[[str], str]


class StudioSection(ABC):
    """A component that puts a section on the Studio's start page.

    Attributes:
        title: its heading.
        lead: one line below the heading.
        order: its place, smallest first; the main column has those below 100, the side column the others.
    """

    title: str = ""
    lead: str = ""
    order: int = 50

    @abstractmethod
    async def items(self, base_url: str) -> Sequence[StudioItem]:
        """Return what to show.

        Args:
            base_url: where this node is reached, for commands.
        """

    async def as_json(self, base_url: str) -> dict[str, object]:
        """Return the section as the JSON twin of the page shows it."""
        return {"title": self.title, "items": [asdict(item) for item in await self.items(base_url)]}
