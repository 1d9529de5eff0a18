"""Which application a command is about, with which configuration: the options that many commands share.

@click.command(**TAKES_SETTINGS)
@selecting()
def command(selection: Selection) -> None: ...
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app_framework.cli.failures import NotPreparedError
from app_framework.errors import did_you_mean, near_matches

if TYPE_CHECKING:
    from app_framework.boot import Application, ApplicationContext, Environment

TAKES_SETTINGS: dict[str, Any] = {"context_settings": {"ignore_unknown_options": True}}
"""Settings of a click command that leaves ``--server.port=0`` for the configuration."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a command line says about application and configuration.

    Args:
        target: ``MODULE:app``; None for what the current folder's files and the installed starters make alone.
        settings: ``--KEY=VALUE`` as given.
        config: a file or folder in the place of the default locations.
        profiles: the profiles to activate.
        debug: whether tracebacks are wanted.
    """

    target: str | None = None
    settings: tuple[str, ...] = ()
    config: Path | None = None
    profiles: tuple[str, ...] = ()
    debug: bool = False

    def application(self) -> Application:
        """Return the application.

        Raises:
            CommandError: when `target` does not lead to one.
        """
        if self.target is None:
            from app_framework.boot import Application

            return Application("application")
        from app_framework.cli.target import find_application

        return find_application(self.target, Path.cwd())

    def context(self) -> ApplicationContext:
        """Return the application with nothing decided yet."""
        return self.application().context(self.settings, config=self.config, profiles=self.profiles)

    def prepared(self) -> ApplicationContext:
        """Return the application with everything decided and nothing created.

        Raises:
            NotPreparedError: with the reason why it would not start.
        """
        context = self.context()
        prepare(context)
        return context

    def checked(self) -> ApplicationContext:
        """Return the application with everything decided, and looked through by its starters.

        Raises:
            NotPreparedError: with the reason why it would not start.
        """
        context = self.context()
        prepare(context, lambda prepared: prepared.check())
        return context

    def environment(self) -> Environment:
        """Return the configuration, also of an application whose components do not fit together yet.

        Raises:
            NotPreparedError: with what is wrong with the configuration or with a starter.
        """
        from app_framework.boot import WiringError

        context = self.context()
        try:
            prepare(context)
        except NotPreparedError as error:
            if not isinstance(error.failure.error, WiringError):
                raise
        return context.environment


def prepare(context: ApplicationContext, work: Callable[[ApplicationContext], None] | None = None) -> None:
    """Decide everything about an application, create nothing.

    Args:
        context: the application.
        work: what to do instead of preparing it only.

    Raises:
        NotPreparedError: with the reason why it would not start.
    """
    try:
        context.prepare()
        if work is not None:
            work(context)
    except Exception as error:  # whatever it was, the application has the words for it
        raise NotPreparedError(context.failure(error), context.redactor()) from error


def selecting(word: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared options; it receives them as one `Selection`.

    Args:
        word: the name of one more argument, such as ``KEY``. A word with a colon is the application then.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def selected(
            *, words: tuple[str, ...], config: Path | None, profile: tuple[str, ...], debug: bool, **others: Any
        ) -> None:
            target, extra, settings = _sorted_out(words, takes_word=word is not None)
            profiles = tuple(name.strip() for each in profile for name in each.split(",") if name.strip())
            selection = Selection(target, settings, config, profiles, debug)
            function(selection, **({"word": extra} if word else {}), **others)

        shown = "[MODULE:app] " + (f"{word} " if word else "") + "[--KEY=VALUE]..."
        for option in reversed((click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar=shown), *_OPTIONS)):
            selected = option(selected)
        return selected

    return decorate


_OPTIONS = (
    click.option(
        "--config",
        metavar="FILE-or-DIR",
        type=click.Path(path_type=Path),
        help="Configuration in the place of ./application.yml and ./config/.",
    ),
    click.option(
        "--profile", metavar="P", multiple=True, help="Profile to activate; may repeat and hold several with commas."
    ),
    click.option("--debug", is_flag=True, help="Show the traceback of what fails."),
)


def _sorted_out(words: Iterable[str], *, takes_word: bool) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Tell the application, the one more word, and the settings apart."""
    given = list(words)
    _refuse_separate_values(given)
    settings = tuple(each for each in given if each.startswith("-"))
    _refuse_unknown_options(settings)
    names = [each for each in given if not each.startswith("-")]
    target = next((each for each in names if ":" in each or not takes_word), None)
    others = [each for each in names if each is not target]
    word = others.pop(0) if takes_word and others else None
    if others:
        raise click.UsageError(f"'{others[0]}' was not expected.", click.get_current_context())
    return target, word, settings


def _refuse_separate_values(given: list[str]) -> None:
    """``--server.port 0`` would set the port to "true" and run an application called 0."""
    for before, word in itertools.pairwise(given):
        flag = before.startswith("--") and "." in before and "=" not in before
        if flag and not word.startswith("-") and ":" not in word:
            text = f"A setting is written with an equals sign: {before}={word}"
            raise click.UsageError(text, click.get_current_context())


def _refuse_unknown_options(settings: Iterable[str]) -> None:
    """A dotted name is for the configuration to judge; of the others only its whole sections are."""
    context = click.get_current_context()
    for each in settings:
        name, equals, value = each.removeprefix("--").partition("=")
        if not each.startswith("--") or not name:
            raise click.UsageError(f"There is no option '{each}'.", context)
        if "." not in name and "[" not in name and not (equals and _is_section(name)):
            near = [*(f"--{option}" for option in near_matches(name, _own_options(context)))]
            near += [f"--{key}={value or '…'}" for key in _settings_like(name)]
            raise click.UsageError(f"There is no option '--{name}'. {did_you_mean(near)}".rstrip(), context)


def _own_options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.params:
        yield from (option.removeprefix("--") for option in parameter.opts if option.startswith("--"))


def _is_section(name: str) -> bool:
    return any(name == key.partition(".")[0] for key in _known_settings())


def _settings_like(name: str) -> list[str]:
    """Return sections, and settings whose last part is a slip of the pen away: ``--prot`` may mean ``server.port``."""
    from app_framework.boot.config.relaxed import edit_distance

    known = _known_settings()
    slips = 1 if len(name) < 6 else 2
    sections = dict.fromkeys(key.partition(".")[0] for key in known)
    return [key for key in (*sections, *known) if edit_distance(name, key.rpartition(".")[2], slips) <= slips][:3]


def _known_settings() -> list[str]:
    """Return every key that the installed starters know; they are asked only for a word that nobody knows."""
    context = Selection().context()
    with contextlib.suppress(NotPreparedError):
        prepare(context)
    return list(context.environment.effective(defaults=True))
