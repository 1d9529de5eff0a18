"""The health service: asks every indicator, and adds up the answers for the whole, a group or a part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app_framework.boot.management.health import (
    HTTP_STATUSES,
    STATUS_ORDER,
    CompositeHealth,
    Health,
    HealthContributor,
    HealthIndicator,
    Status,
)
from app_framework.boot.management.health_probe import HealthProbe
from app_framework.boot.management.redaction import Redactor


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The answer for one indicator, one composite, one group or the whole.

    Args:
        status: the worst of its components, or what the indicator said.
        details: what the indicator said; empty for a composite.
        components: the members; empty for an indicator.
        http_status: what the status answers over HTTP.
        groups: names of the groups, for the whole only.
    """

    status: Status
    details: Mapping[str, object] = field(default_factory=dict)
    components: Mapping[str, HealthReport] = field(default_factory=dict)
    http_status: int = 200
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthGroup:
    """A named selection of the indicators with its own way to add up, such as ``readiness``.

    Args:
        include: paths of members (``database``, ``peers/node-b``), or ``*`` for all.
        exclude: paths to leave out again.
        status_order: the most severe status first.
        http_statuses: what a status answers over HTTP, where that is not the default.
        show_details: ``never``, ``when-authorized`` or ``always``; None for what holds for the whole.
        show_components: the same for the members' names.
        roles: who is authorized; None for what holds for the whole.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    status_order: Sequence[Status] = STATUS_ORDER
    http_statuses: Mapping[Status, int] = field(default_factory=lambda: dict(HTTP_STATUSES))
    show_details: str | None = None
    show_components: str | None = None
    roles: frozenset[str] | None = None

    def holds(self, path: str) -> bool:
        """Tell whether the indicator at `path` counts here; a composite is a member with all it has."""
        return _selects(self.include, path) and not _selects(self.exclude, path)

    def worst(self, statuses: Iterable[Status]) -> Status:
        """Return the most severe status; UNKNOWN when there is none."""
        order = list(self.status_order)
        return min(
            statuses,
            key=lambda status: order.index(status) if status in order else len(order),
            default=Status.UNKNOWN,
        )

    def http_status(self, status: Status) -> int:
        """Return what a status answers over HTTP."""
        return self.http_statuses.get(status, 200)


class HealthService:
    """Asks every indicator, each with a time limit and all at once, and adds up their answers.

    Args:
        contributors: name → indicator or composite.
        groups: name → selection.
        whole: how the whole adds up.
        timeout_s: an indicator that takes longer is DOWN.
        timeouts_s: the same by path, where it differs.
        slow_s: an indicator that takes longer is named in the log.
        redactor: blanks secrets out of details and errors.
    """

    def __init__(
        self,
        contributors: Mapping[str, HealthContributor],
        groups: Mapping[str, HealthGroup] | None = None,
        *,
        whole: HealthGroup | None = None,
        timeout_s: float = 10.0,
        timeouts_s: Mapping[str, float] | None = None,
        slow_s: float = 10.0,
        redactor: Redactor | None = None,
    ) -> None:
        self._whole = whole or HealthGroup()
        self._groups = dict(groups or {})
        limits = timeouts_s or {}
        self._probes: dict[str, HealthProbe] = {
            path: HealthProbe(
                path, indicator, limits.get(path.split("/")[0], timeout_s), slow_s, redactor or Redactor()
            )
            for path, indicator in flatten(contributors)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of all indicators."""
        return tuple(sorted(self._probes))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(sorted(self._groups))

    def group(self, name: str | None) -> HealthGroup:
        """Return a group's settings; those of the whole for None."""
        return self._groups[name] if name else self._whole

    async def check(self, path: str = "", group: str | None = None) -> HealthReport | None:
        """Ask the indicators at and below `path`, as far as they count in `group`.

        Returns:
            the report, None when nothing of that path counts in that group.
        """
        selection = self.group(group)
        probes = [
            probe
            for name, probe in sorted(self._probes.items())
            if selection.holds(name) and (not path or name == path or name.startswith(path + "/"))
        ]
        if path and not probes:
            return None
        answers = await asyncio.gather(*(probe.check() for probe in probes))
        tree = _tree(path, {probe.path: answer for probe, answer in zip(probes, answers, strict=True)})
        report = _add_up(tree, selection)
        if path or group:
            return report
        return HealthReport(report.status, report.details, report.components, report.http_status, self.groups)

    async def close(self) -> None:
        """Cancel what is still being asked."""
        await asyncio.gather(*(probe.close() for probe in self._probes.values()))

    def __repr__(self) -> str:
        return f"<HealthService {len(self._probes)} indicators, groups {', '.join(self.groups) or 'none'}>"


def flatten(contributors: Mapping[str, HealthContributor], above: str = "") -> list[tuple[str, HealthIndicator]]:
    """Return path and indicator of each, the members of composites included."""
    found: list[tuple[str, HealthIndicator]] = []
    for name, contributor in contributors.items():
        path = f"{above}{name}"
        if isinstance(contributor, CompositeHealth):
            found += flatten(contributor.contributors(), f"{path}/")
        else:
            found.append((path, contributor))
    return found


_Tree = dict[str, "Health | _Tree"]


def _tree(root: str, answers: Mapping[str, Health]) -> Health | _Tree:
    """Fold paths back into the tree below `root`."""
    if root in answers:
        return answers[root]
    tree: _Tree = {}
    for path, answer in answers.items():
        *parents, leaf = path.removeprefix(root).strip("/").split("/")
        branch = tree
        for parent in parents:
            below = branch.setdefault(parent, {})
            assert isinstance(below, dict), f"{parent} is an indicator and a composite"
            branch = below
        branch[leaf] = answer
    return tree


def _add_up(tree: Health | _Tree, group: HealthGroup) -> HealthReport:
    if isinstance(tree, Health):
        return HealthReport(tree.status, tree.details, {}, group.http_status(tree.status))
    components = {name: _add_up(member, group) for name, member in tree.items()}
    status = group.worst(component.status for component in components.values())
    return HealthReport(status, {}, components, group.http_status(status))


def _selects(patterns: Iterable[str], path: str) -> bool:
    return any(pattern in ("*", path) or path.startswith(pattern + "/") for pattern in patterns)
