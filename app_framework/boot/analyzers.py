"""The framework's own failure analyzers; starters bring theirs with `@failure_analyzer`."""

from __future__ import annotations

import traceback
from pathlib import Path

from app_framework.boot.assembly import UnknownExclusionError
from app_framework.boot.config.errors import ConfigurationError, advise, describe
from app_framework.boot.definition import locate
from app_framework.boot.failure import Analyzer, FailureAnalysis
from app_framework.boot.lifecycle import ComponentCreationError, StartTimeoutError
from app_framework.boot.ordering import AutoConfigurationCycleError
from app_framework.boot.sources import InvalidSourceError
from app_framework.boot.starters import StarterError
from app_framework.boot.wiring import NoSuchComponentError
from app_framework.boot.wiring_problems import WiringError, describe_problem
from app_framework.boot.wiring_problems import advise as advise_problem
from app_framework.errors import UserError

_FRAMEWORK = Path(__file__).resolve().parent.parent


def configuration_failure(error: ConfigurationError) -> FailureAnalysis:
    """YAML syntax, duplicate keys, unknown keys and sections, bad values, placeholders, missing imports."""
    return FailureAnalysis(describe(error.problems), advise(error.problems))


def starter_failure(error: StarterError) -> FailureAnalysis:
    """A starter that cannot be imported, was made for another version, or shares an id."""
    lines = [f"starter {p.distribution} {p.version}: {p.message}" for p in error.problems]
    return FailureAnalysis("\n".join(lines), "\n".join(dict.fromkeys(p.action for p in error.problems)))


def wiring_failure(error: WiringError) -> FailureAnalysis:
    """Missing, ambiguous and cyclic components, hints that cannot be resolved, two of one name."""
    descriptions = [describe_problem(problem) for problem in error.problems]
    actions = dict.fromkeys(advise_problem(problem) for problem in error.problems)
    return FailureAnalysis("\n\n".join(descriptions), "\n".join(actions))


def ordering_failure(error: AutoConfigurationCycleError) -> FailureAnalysis:
    """Starters that ask to come before each other."""
    return FailureAnalysis(
        f"{error}.",
        f"Leave one of them out: app.autoconfigure.exclude: [{error.ids[0]}], and tell its author.",
    )


def exclusion_failure(error: UnknownExclusionError, environment: object) -> FailureAnalysis:
    """An exclusion of something that is not there."""
    origin = getattr(environment, "origin", lambda _: None)("app.autoconfigure.exclude")
    place = f"{origin}: " if origin else ""
    return FailureAnalysis(f"{place}{error}", "Correct the id, or take it out of the list (af starters lists them).")


def creation_failure(error: ComponentCreationError) -> FailureAnalysis:
    """A factory or a start that raised something nobody has better words for."""
    cause = error.__cause__
    reason = f": {type(cause).__name__}: {cause}" if cause is not None else "."
    place = _raised_at(cause) if cause is not None else ""
    return FailureAnalysis(
        f"{error}{reason}" + (f"\nIt was raised at {place}." if place else ""),
        "Mend the cause above. The whole traceback is shown with --debug.",
    )


def start_timeout_failure(error: StartTimeoutError) -> FailureAnalysis:
    """A start that hangs, with the tree of what waits."""
    tree = "\n".join(f"  {line}" for line in error.pending)
    return FailureAnalysis(
        f"The application did not start within {error.timeout_s:g} s (app.lifecycle.start-timeout). "
        f"Still pending:\n\n{tree}",
        f"See what {error.definition.name!r} waits for at {error.definition.origin}, "
        "or allow more time: app.lifecycle.start-timeout.",
    )


def invalid_source_failure(error: InvalidSourceError) -> FailureAnalysis:
    """Something among the sources that cannot be one."""
    return FailureAnalysis(f"{error}.", f"Change it at {locate(error.source)}, or in Application(sources=[…]).")


def no_such_component_failure(error: NoSuchComponentError) -> FailureAnalysis:
    """A look-up by a type or name that nothing fits."""
    return FailureAnalysis(f"{error}.", "Ask for a type that is provided: /actuator/beans and af conditions list all.")


def user_failure(error: UserError) -> FailureAnalysis:
    """A mistake whose own text says everything."""
    return FailureAnalysis(str(error), "Correct it and start again.")


CORE_ANALYZERS: tuple[Analyzer, ...] = (
    configuration_failure,
    starter_failure,
    wiring_failure,
    ordering_failure,
    exclusion_failure,
    start_timeout_failure,
    invalid_source_failure,
    no_such_component_failure,
    user_failure,
    creation_failure,
)


def _raised_at(error: BaseException) -> str:
    """Return the innermost place outside the framework: where the user's own code, or its library, raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno} ({frames[-1].name})" if frames else ""


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(_FRAMEWORK) or filename.startswith("<frozen")
