"""The conditions report: what was wired, what was not, and the sentence that decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app_framework.boot.conditions import Outcome
from app_framework.boot.definition import locate
from app_framework.boot.origin import Origin


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """The decision about one auto-configuration, configuration class, component or bean.

    Args:
        subject: ``database`` for a class, ``database.engine`` for a bean of it.
        outcomes: every condition that was asked, in order.
        target: the class or function itself.
        provides: the type that is not there when the decision was no; None for a class of beans.
        owner: id of the auto-configuration, None for the user's own.
        blocked_by: the class's entry that kept this bean from being asked.
    """

    subject: str
    outcomes: tuple[Outcome, ...]
    target: object
    provides: Any = None
    owner: str | None = None
    blocked_by: ReportEntry | None = None

    @property
    def origin(self) -> Origin:
        """Where the class or function is written."""
        return locate(self.target)

    @property
    def matched(self) -> bool:
        """Whether it counts."""
        return self.blocked_by is None and all(outcome.matched for outcome in self.outcomes)

    @property
    def not_matched(self) -> tuple[Outcome, ...]:
        """The outcomes that said no."""
        return tuple(outcome for outcome in self.outcomes if not outcome.matched)

    @property
    def remedies(self) -> tuple[str, ...]:
        """What would make it count, as far as its conditions know."""
        if self.blocked_by:
            return self.blocked_by.remedies
        return tuple(outcome.remedy for outcome in self.not_matched if outcome.remedy)

    @property
    def reason(self) -> str:
        """The sentence that decided: the first no, or every yes."""
        if self.blocked_by:
            return f"{self.blocked_by.subject!r} is off: {self.blocked_by.reason}"
        if self.not_matched:
            return str(self.not_matched[0])
        return "; ".join(outcome.message for outcome in self.outcomes) or "no conditions"

    @property
    def short_reason(self) -> str:
        """The reason for a line that has little room: of what matched, only the conditions' names."""
        if not self.matched:
            return self.reason
        return ", ".join(outcome.condition for outcome in self.outcomes) or "no conditions"


class ConditionReport:
    """Every decision that was taken while the application was assembled, as it was taken."""

    def __init__(self, entries: Iterable[ReportEntry] = (), exclusions: Iterable[str] = ()) -> None:
        self._entries = {entry.subject: entry for entry in entries}
        self.exclusions = tuple(exclusions)

    def add(self, entry: ReportEntry) -> None:
        """Record a decision."""
        self._entries[entry.subject] = entry

    @property
    def entries(self) -> tuple[ReportEntry, ...]:
        """All decisions in the order they were taken."""
        return tuple(self._entries.values())

    @property
    def positive(self) -> tuple[ReportEntry, ...]:
        """What matched, having had conditions."""
        return tuple(entry for entry in self.entries if entry.matched and entry.outcomes)

    @property
    def negative(self) -> tuple[ReportEntry, ...]:
        """What did not match."""
        return tuple(entry for entry in self.entries if not entry.matched)

    @property
    def unconditional(self) -> tuple[str, ...]:
        """What counts without any condition."""
        return tuple(entry.subject for entry in self.entries if entry.matched and not entry.outcomes)

    def __getitem__(self, subject: str) -> ReportEntry:
        """Return the decision about ``database`` or ``database.engine``.

        Raises:
            KeyError: when nothing of that name was decided.
        """
        return self._entries[subject]

    def __contains__(self, subject: object) -> bool:
        return subject in self._entries

    def decision_about(self, ids: Sequence[str]) -> tuple[bool, str]:
        """Return whether any of several auto-configurations is on, and the sentence that decided on each."""
        on = any(each in self and self[each].matched for each in ids)
        if len(ids) == 1:
            return on, self._reason(ids[0], short=False)
        return on, "; ".join(f"{each}: {self._reason(each, short=True)}" for each in ids)

    def _reason(self, auto_configuration: str, *, short: bool) -> str:
        if auto_configuration in self.exclusions:
            return "excluded by app.autoconfigure.exclude"
        if auto_configuration not in self:
            return "app.autoconfigure.enabled is false"
        entry = self[auto_configuration]
        return entry.short_reason if short else entry.reason

    def to_text(self) -> str:
        """Return the report as a person reads it."""
        lines = ["CONDITIONS", ""]
        lines += ["On:", *(_positive_lines(self.positive) or ["  none"]), ""]
        lines += ["Off:", *(_negative_lines(self.negative) or ["  none"]), ""]
        lines += ["Excluded:", *([f"  {name}" for name in self.exclusions] or ["  none"]), ""]
        lines += ["Without conditions:", *([f"  {name}" for name in self.unconditional] or ["  none"])]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, object]:
        """Return the report in the shape of Spring Boot's ``conditions`` endpoint."""
        return {
            "positiveMatches": {
                entry.subject: [_outcome_json(outcome) for outcome in entry.outcomes] for entry in self.positive
            },
            "negativeMatches": {
                entry.subject: {
                    "notMatched": [_outcome_json(outcome) for outcome in _why_not(entry)],
                    "matched": [_outcome_json(outcome) for outcome in entry.outcomes if outcome.matched],
                }
                for entry in self.negative
            },
            "exclusions": list(self.exclusions),
            "unconditionalClasses": list(self.unconditional),
        }

    def __repr__(self) -> str:
        return f"<ConditionReport {len(self.positive)} on, {len(self.negative)} off>"


def _positive_lines(entries: Iterable[ReportEntry]) -> list[str]:
    lines = []
    for entry in entries:
        lines.append(f"  {entry.subject}  {entry.origin}")
        lines += [f"    - {outcome}" for outcome in entry.outcomes]
    return lines


def _negative_lines(entries: Iterable[ReportEntry]) -> list[str]:
    lines = []
    for entry in entries:
        lines.append(f"  {entry.subject}  {entry.origin}")
        lines += [f"    - did not match: {outcome}" for outcome in _why_not(entry)]
        lines += [f"    - matched: {outcome}" for outcome in entry.outcomes if outcome.matched]
    return lines


def _why_not(entry: ReportEntry) -> tuple[Outcome, ...]:
    return (Outcome(False, f"{entry.blocked_by.subject!r} is off"),) if entry.blocked_by else entry.not_matched


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    found: dict[str, object] = {"condition": outcome.condition, "message": outcome.message}
    if outcome.origin:
        found["origin"] = str(outcome.origin)
    return found
