"""The libraries that the framework and its starters need: there, in a version that will do, in working order."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, packages_distributions, version
from typing import TYPE_CHECKING

from app_framework.cli.checks.distributions import FRAMEWORK, normalized
from app_framework.cli.checks.finding import Finding, fail, ok

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def library_findings(own: Iterable[Distribution]) -> Iterator[Finding]:
    """Check each library once, however many starters need it; those that are fine share a line.

    Args:
        own: the framework and the starters that are installed.
    """
    by_name = {normalized(each): each for each in own}
    wanted: dict[str, tuple[Requirement, list[str]]] = {}
    for name, each in by_name.items():
        for requirement in _requirements(each, "", by_name.get(FRAMEWORK)):
            wanted.setdefault(str(requirement), (requirement, []))[1].append(name)
    modules = _modules()
    fine: dict[str, str] = {}
    for text, (requirement, needed_by) in wanted.items():
        problem = _problem(requirement, modules)
        if problem:
            yield fail("library", f"{problem} (needed by {', '.join(needed_by)})", f"pip install '{text}'")
        else:
            fine[requirement.name] = f"{requirement.name} {version(requirement.name)}"
    if fine:
        yield ok("libraries", ", ".join(fine[name] for name in sorted(fine)))


def _requirements(wanting: Distribution, extra: str, framework: Distribution | None) -> Iterator[Requirement]:
    """Yield what a distribution needs on this machine; the framework's extras are followed."""
    from packaging.requirements import Requirement

    for text in wanting.requires or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name.lower() != FRAMEWORK:
            requirement.marker = None
            yield requirement
        elif framework is not None:
            for inner in sorted(requirement.extras):
                yield from _requirements(framework, inner, framework)


def _problem(requirement: Requirement, modules: dict[str, str]) -> str:
    """Return what is wrong with a library, an empty text when nothing is."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(found, prereleases=True):
        return f"{requirement.name} {found} is installed, but {requirement.specifier} is needed"
    try:
        importlib.import_module(modules[requirement.name.lower()])
    except KeyError:
        return ""  # It has nothing to import, such as a distribution of requirements only.
    except Exception as error:  # a compiled library may fail in any way on the wrong machine
        return f"{requirement.name} {found} cannot be imported: {type(error).__name__}: {error}"
    return ""


def _modules() -> dict[str, str]:
    """Return the module to try by distribution: the one that is called like it, else its first public one."""
    found: dict[str, str] = {}
    for module, distributions in sorted(packages_distributions().items()):
        for name in (each.lower() for each in distributions):
            if module == name.replace("-", "_") or (not module.startswith("_") and name not in found):
                found[name] = module
    return found
