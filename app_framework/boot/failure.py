"""Failure analysis: an error becomes a description of what happened and an action that mends it.

Analyzers are asked from the deepest cause outwards, starters' own before the framework's; the first answer wins.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app_framework.boot.config.environment import Environment


@dataclass(frozen=True, slots=True)
class FailureAnalysis:
    """What a person reads instead of a traceback.

    Args:
        description: what happened, and where.
        action: what to do about it.
    """

    description: str
    action: str

    def to_text(self) -> str:
        """Return both parts under their headings."""
        return f"Description:\n\n{_indent(self.description)}\n\nAction:\n\n{_indent(self.action)}\n"


@dataclass(frozen=True, slots=True)
class FailureReport:
    """An error with its analysis.

    Args:
        error: what was raised.
        analysis: the words for it; None when nobody knew it.
    """

    error: BaseException
    analysis: FailureAnalysis | None

    @property
    def description(self) -> str:
        """What happened, and where."""
        return self.analysis.description if self.analysis else f"{type(self.error).__name__}: {self.error}"

    @property
    def action(self) -> str:
        """What to do about it."""
        return self.analysis.action if self.analysis else "Run it again with --debug to see where it was raised."

    def to_text(self) -> str:
        """Return what is printed when an application does not start."""
        heading = "The application did not start"
        return f"\n{heading}\n{'=' * len(heading)}\n\n{FailureAnalysis(self.description, self.action).to_text()}"


Analyzer = Callable[..., FailureAnalysis | None]


def analyze_failure(
    error: BaseException, analyzers: Sequence[Analyzer], environment: Environment | None = None
) -> FailureReport:
    """Return the error with the words of the first analyzer that knows its deepest cause, or the next one up."""
    for link in reversed(list(_chain(error))):
        for analyzer in analyzers:
            analysis = _ask(analyzer, link, environment)
            if analysis is not None:
                return FailureReport(error, analysis)
    return FailureReport(error, None)


def error_type(analyzer: Analyzer) -> type[BaseException]:
    """Return the kind of error an analyzer explains: its first parameter's type."""
    parameters = list(inspect.signature(analyzer).parameters)
    hints = typing.get_type_hints(analyzer)
    hint = hints.get(parameters[0], BaseException) if parameters else BaseException
    return hint if isinstance(hint, type) else BaseException


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes; of a group, each member's."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += list(link.exceptions) if isinstance(link, BaseExceptionGroup) else []
        cause = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        waiting += [cause] if cause else []


def _ask(analyzer: Analyzer, error: BaseException, environment: Environment | None) -> FailureAnalysis | None:
    if not isinstance(error, error_type(analyzer)):
        return None
    return analyzer(error, *_extras(analyzer, environment))


def _extras(analyzer: Analyzer, environment: Environment | None) -> Iterable[Any]:
    """An analyzer may take the environment as its second parameter."""
    return (environment,) if len(inspect.signature(analyzer).parameters) > 1 else ()


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())
