"""Why a data cube is not let into a query cube: sentences that name both sides and what to do; pure.

A data cube is looked at alone, and then beside each of those that are there already. Two that fit each other do so in
whichever order they come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app_framework.distribution.contribution import Contribution, DataCubeId
from app_framework.errors import did_you_mean, near_matches
from app_framework.olap.member import member_json

T = TypeVar("T")
DIFFERENCES_MAX = 10
MEMBERS_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """That a data cube is not let in.

    Args:
        data_cube: the one that is refused; those that are there already go on answering.
        query_cube: the one that refuses it.
        code: the kind of reason, in capitals.
        reason: why, in a sentence or several lines.
        action: what to do.
    """

    data_cube: DataCubeId
    query_cube: str
    code: str
    reason: str
    action: str

    def __str__(self) -> str:
        space = "\n" if "\n" in self.reason else " "
        whom = f"Data cube '{self.data_cube}' is not let into query cube {self.query_cube!r}"
        return f"{whom}: {self.reason}{space}{self.action}"


@dataclass(frozen=True, slots=True)
class Gate:
    """Tells whether data cubes fit into a query cube.

    Args:
        query_cube: its name.
        applications: those that it lists, each with its distributing levels as they are written.
        data_overlap: whether several data cubes may hold the same member of a distributing level.
    """

    query_cube: str
    applications: Mapping[str, Sequence[str]]
    data_overlap: bool = False

    def refused(self, newcomer: Contribution) -> Refusal | None:
        """Return what is wrong with a data cube alone."""
        if newcomer.application not in self.applications:
            near = did_you_mean(near_matches(newcomer.application, self.applications))
            reason = f"it is a part of application {newcomer.application!r}, which is not listed."
            return self._refuse(newcomer, "UNKNOWN_APPLICATION", reason, f"{near}?" if near else "List it.")
        for name in self.applications[newcomer.application]:
            if (refusal := self._wrong_level(newcomer, name)) is not None:
                return refusal
        return None

    def levels(self, contribution: Contribution) -> tuple[str, ...]:
        """Return the full names of the distributing levels of a data cube that is let in."""
        names = self.applications[contribution.application]
        return tuple(contribution.outline.find_levels(name)[0] for name in names)

    def conflict(self, newcomer: Contribution, known: Contribution) -> Refusal | None:
        """Return what keeps a data cube from standing beside another one."""
        if newcomer.application != known.application:
            return self._other_meaning(newcomer, known) or self._case(newcomer, known)
        return self._other_topology(newcomer, known) or self._same_rows(newcomer, known)

    def _wrong_level(self, newcomer: Contribution, name: str) -> Refusal | None:
        """Return the refusal of a data cube that cannot be told from others by a level (A7)."""
        outline, application = newcomer.outline, newcomer.application
        found = outline.find_levels(name)
        if len(found) == 1:
            return None
        if found:
            reason = f"distributing level {name!r} of application {application!r} may be {' or '.join(found)}."
            return self._refuse(newcomer, "UNKNOWN_LEVEL", reason, "Write the whole name.")
        if outline.conceals_level(name):
            reason = f"it conceals {name!r}, the level that distributes the rows of application {application!r}."
            action = f"Take its hierarchy out of `concealed-hierarchies` on node {newcomer.id.node!r}."
            return self._refuse(newcomer, "CONCEALED_LEVEL", reason, action)
        near = did_you_mean(near_matches(name, [*outline.levels, *(level.name for level in outline.levels.values())]))
        reason = f"it has no level {name!r}, which distributes the rows of application {application!r}."
        return self._refuse(newcomer, "UNKNOWN_LEVEL", reason, f"{near}?" if near else "Name one that it has.")

    def _other_topology(self, newcomer: Contribution, known: Contribution) -> Refusal | None:
        """Return the refusal of a data cube that differs from another one of its application (AA10)."""
        a, b = newcomer.outline, known.outline
        hierarchies = _differing(a.hierarchy, b.hierarchy, a.concealed_hierarchies, b.concealed_hierarchies)
        measures = _differing(a.measure, b.measure, a.concealed_measures, b.concealed_measures)
        differences = [
            *(_hierarchy_line(newcomer, known, name) for name in hierarchies),
            *(_measure_line(newcomer, known, name) for name in measures),
        ]
        if not differences:
            return None
        part = f"it differs from '{known.id}', another part of application {newcomer.application!r}"
        reason = f"{part}:\n{_lines(differences)}"
        action = "Give both the same hierarchies and measures, or one of them another application."
        return self._refuse(newcomer, "DIFFERENT_TOPOLOGY", reason, action)

    def _other_meaning(self, newcomer: Contribution, known: Contribution) -> Refusal | None:
        """Return the refusal of a data cube whose names mean something else in another application."""
        a, b = newcomer.outline, known.outline
        hierarchies = [name for name in a.hierarchy if name in b.hierarchy and a.hierarchy[name] != b.hierarchy[name]]
        measures = [name for name in a.measure if name in b.measure and a.measure[name] != b.measure[name]]
        differences = [
            *(_hierarchy_line(newcomer, known, name) for name in hierarchies),
            *(_measure_line(newcomer, known, name) for name in measures),
        ]
        if not differences:
            return None
        reason = f"what it calls the same is not the same in application {known.application!r}:\n{_lines(differences)}"
        action = "Give both the same definition, or rename or conceal one of them."
        return self._refuse(newcomer, "DIFFERENT_DEFINITION", reason, action)

    def _case(self, newcomer: Contribution, known: Contribution) -> Refusal | None:
        """Return the refusal of a data cube with names that SQL does not tell from those of another application."""
        for mine, theirs in ((newcomer, known), (known, newcomer)):
            levels = {level.name.casefold(): level.name for level in mine.outline.levels.values()}
            measures = {name.casefold(): name for name in mine.outline.measure}
            for name in theirs.outline.measure:
                same = measures.get(name.casefold(), name)
                what, other = ("level", levels[name.casefold()]) if name.casefold() in levels else ("measure", same)
                if what == "level" or other != name:
                    reason = f"{what} {other!r} of '{mine.id}' and measure {name!r} of '{theirs.id}' have one name."
                    return self._refuse(newcomer, "DUPLICATE_NAME", reason, "Rename or conceal one of them.")
        return None

    def _same_rows(self, newcomer: Contribution, known: Contribution) -> Refusal | None:
        """Return the refusal of a data cube whose rows cannot be told from those of another one (AA4)."""
        levels = self.levels(newcomer)
        if not levels:
            why = f"application {newcomer.application!r} has no distributing level"
            reason = f"{why}, so it has one data cube, '{known.id}'."
            action = "Name the level that divides the rows in `distributing-levels`, or give one another application."
            return self._refuse(newcomer, "SECOND_DATA_CUBE", reason, action)
        for level in levels if not self.data_overlap else ():
            both = newcomer.held(level) & known.held(level)
            if both:
                verb = "is" if len(both) == 1 else "are"
                reason = f"{_members(both)} of distributing level {level!r} {verb} on '{known.id}' already."
                action = "Delete the rows from one of the two, or set `data-overlap: true`."
                return self._refuse(newcomer, "DUPLICATE_MEMBER", reason, action)
        return None

    def _refuse(self, newcomer: Contribution, code: str, reason: str, action: str) -> Refusal:
        return Refusal(newcomer.id, self.query_cube, code, reason, action)


def _differing(
    mine: Mapping[str, T], theirs: Mapping[str, T], hidden: Collection[str], hidden_there: Collection[str]
) -> Iterator[str]:
    """Yield the names that only one side has, and those that both show and mean otherwise."""
    for name in dict.fromkeys([*mine, *theirs, *sorted(hidden), *sorted(hidden_there)]):
        here, there = name in mine or name in hidden, name in theirs or name in hidden_there
        if here != there or (name in mine and name in theirs and mine[name] != theirs[name]):
            yield name


def _hierarchy_line(mine: Contribution, theirs: Contribution, name: str) -> str:
    a, b = mine.outline, theirs.outline
    own = _told(a.hierarchy.get(name), a.concealed_hierarchies, name)
    other = _told(b.hierarchy.get(name), b.concealed_hierarchies, name)
    return f"hierarchy {name!r}: '{mine.id}' {own}, '{theirs.id}' {other}"


def _measure_line(mine: Contribution, theirs: Contribution, name: str) -> str:
    a, b = mine.outline.measure.get(name), theirs.outline.measure.get(name)
    alike = a is not None and b is not None and str(a) == str(b)
    own = _told(a.typed if a and alike else a, mine.outline.concealed_measures, name)
    other = _told(b.typed if b and alike else b, theirs.outline.concealed_measures, name)
    return f"measure {name!r}: '{mine.id}' {own}, '{theirs.id}' {other}"


def _told(definition: object, concealed: Collection[str], name: str) -> str:
    if definition is not None:
        return f"has {definition}"
    return "conceals it" if name in concealed else "has none"


def _lines(differences: Sequence[str]) -> str:
    shown = [f"  {line}" for line in differences[:DIFFERENCES_MAX]]
    if len(differences) > DIFFERENCES_MAX:
        shown.append(f"  and {len(differences) - DIFFERENCES_MAX} more")
    return "\n".join(shown)


def _members(members: frozenset[object]) -> str:
    named = sorted("the missing member" if each is None else repr(member_json(each)) for each in members)
    shown, more = named[:MEMBERS_SHOWN_MAX], len(named) - MEMBERS_SHOWN_MAX
    text = ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
    return text if shown == ["the missing member"] else f"{'member' if len(named) == 1 else 'members'} {text}"
