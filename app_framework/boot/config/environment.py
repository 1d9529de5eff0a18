"""The environment: everything that is configured, where each value was written, and which profiles are active."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from app_framework.boot.config.app_properties import OWN_MODELS
from app_framework.boot.config.composition import Composition
from app_framework.boot.config.errors import ConfigProblem, ConfigurationError
from app_framework.boot.config.explanation import Setting, effective, explain, near_keys
from app_framework.boot.config.gathering import Gathered, gather
from app_framework.boot.config.properties import ConfigProperties
from app_framework.boot.config.property_source import PropertySource
from app_framework.boot.origin import Origin

P = TypeVar("P", bound=ConfigProperties)
Key = str | Sequence[str | int]


class Environment:
    """All settings of one application, in two steps.

    `load` reads files, variables and arguments with nothing known but the section ``app``. `claim` takes the
    property models of everything that is installed, brings the settings into their spelling, and collects what is
    wrong; `check` raises that at once. A key is written with dots (``nats.connect-timeout``, ``servers[0]``) or,
    where keys hold dots themselves, given as a tuple.
    """

    def __init__(self, gathered: Gathered, again: Callable[[], Gathered] | None = None) -> None:
        self._again = again
        self._gathered = gathered
        self._composition = Composition(gathered, OWN_MODELS, open_root=True)

    @classmethod
    def load(
        cls,
        *,
        directory: Path,
        packaged: Path | None = None,
        config: Path | None = None,
        profiles: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        properties: Mapping[str, object] | None = None,
        inline: str | None = None,
        prefix: str = "APP_",
    ) -> Environment:
        """Read every source of settings; mistakes are kept for `check`.

        Args:
            directory: the working folder.
            packaged: the folder beside the application's module, whose files are the lowest.
            config: a file or folder that replaces ``./``, ``./config/`` and ``./config/*/``.
            profiles: profiles to activate, over everything else that names some.
            environ: environment variables.
            arguments: settings such as ``--server.port=0`` and ``--debug``.
            properties: settings of a test, over everything else.
            inline: YAML that stands above the files, called ``<inline>``.
            prefix: what the environment variables of the application begin with.
        """
        again = partial(
            gather,
            directory=directory.absolute(),
            packaged=packaged,
            config=config,
            profiles=profiles,
            environ=dict(environ or {}),
            arguments=tuple(arguments),
            properties=dict(properties or {}),
            inline=inline,
            prefix=prefix,
        )
        return cls(again(), again)

    @classmethod
    def from_process(
        cls,
        *,
        packaged: Path | None = None,
        config: Path | None = None,
        profiles: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> Environment:
        """Read the settings of this process: its working folder and its environment variables."""
        return cls.load(
            directory=Path.cwd(),
            packaged=packaged,
            config=config,
            profiles=profiles,
            environ=os.environ,
            arguments=arguments,
        )

    def claim(
        self,
        models: Iterable[type[ConfigProperties]],
        defaults: Sequence[tuple[str, Mapping[str, object]]] = (),
    ) -> None:
        """Say which property models there are, which replaces what was claimed before.

        Args:
            models: the models of the user's code and of every installed starter.
            defaults: settings below all files, the lowest first, each with a name.
        """
        every = tuple(dict.fromkeys((*OWN_MODELS, *models)))
        self._composition = Composition(self._gathered, every, defaults=tuple(defaults))

    def reread(self) -> Environment:
        """Return what the files say now, under the same variables, arguments and models; this one stays as it is.

        Raises:
            ConfigurationError: if anything is wrong with it.
        """
        if self._again is None:
            raise ValueError("this environment was not loaded from files")
        fresh = Environment(self._again(), self._again)
        fresh.claim(self.models, self._composition.defaults)
        fresh.check()
        return fresh

    def check(self, required: Iterable[type[ConfigProperties]] = ()) -> None:
        """Raise everything that is wrong at once.

        Args:
            required: models that will be bound whether or not a source mentions them.

        Raises:
            ConfigurationError: if anything is wrong.
        """
        problems = self._composition.problems_with(tuple(required))
        if problems:
            raise ConfigurationError(problems)

    @property
    def directory(self) -> Path:
        """The working folder."""
        return self._gathered.directory

    @property
    def active_profiles(self) -> tuple[str, ...]:
        """The profiles that were asked for; later ones win."""
        return self._gathered.profiles.active

    @property
    def default_profiles(self) -> tuple[str, ...]:
        """The profiles that hold while none is active."""
        return self._gathered.profiles.default

    @property
    def sources(self) -> tuple[PropertySource, ...]:
        """Where settings come from, the highest precedence first."""
        return tuple(reversed(self._composition.sources))

    @property
    def models(self) -> tuple[type[ConfigProperties], ...]:
        """The property models that were claimed, the framework's own first."""
        return self._composition.models

    @property
    def problems(self) -> tuple[ConfigProblem, ...]:
        """What `check` would raise."""
        return self._composition.problems_with(())

    @property
    def warnings(self) -> tuple[ConfigProblem, ...]:
        """What is probably a mistake but stops nothing: unknown ``APP_*`` variables, deprecated keys."""
        return self._composition.warnings

    def accepts_profiles(self, expression: str) -> bool:
        """Return whether an expression such as ``prod & (us | eu) & !test`` holds.

        Raises:
            ProfileSyntaxError: if the expression cannot be read.
        """
        return self._gathered.profiles.accepts(expression)

    def get(self, key: Key, default: object = None) -> object:
        """Return what is set at a key as plain Python values; the models' own defaults do not count."""
        found = self._composition.find(key)
        return default if found is None else found.plain()

    def contains(self, key: Key) -> bool:
        """Return whether any source sets the key."""
        return self._composition.find(key) is not None

    def origin(self, path: Key, *, of_key: bool = False) -> Origin | None:
        """Return where a value was written, or the nearest value around it that was; None when nothing was.

        Args:
            path: the key.
            of_key: whether the place of the key is wanted rather than that of its value.
        """
        steps = self._composition.path(path)
        for length in range(len(steps), 0, -1):
            found = self._composition.resolved.find(steps[:length])
            if found is not None:
                return found.key_origin if of_key else found.origin
        return None

    def bind(self, model: type[P]) -> P:
        """Return the properties of a model; one that was not claimed is claimed now.

        Raises:
            ConfigurationError: with everything that is wrong in the model's part of the configuration.
        """
        if model not in self._composition.models:
            self.claim((*self._composition.models, model), self._composition.defaults)
        problems = self._composition.problems_of(model)
        if problems:
            raise ConfigurationError(problems)
        return cast(P, self._composition.bound(model).instance)

    def explain(self, key: Key) -> tuple[Setting, ...]:
        """Return every source that sets a key, the winner first and the default of its model last (FA5).

        Raises:
            UnknownPropertyError: if no source sets the key and no model has it; it names near keys.
        """
        return explain(self._composition, key)

    def effective(self, *, defaults: bool = False) -> dict[str, Setting]:
        """Return what holds for every key, flat; with `defaults` also what the models fill in."""
        return effective(self._composition, defaults=defaults)

    def near_keys(self, key: str) -> tuple[str, ...]:
        """Return the known keys that `key` was probably meant to be."""
        return near_keys(self._composition, key)

    def is_secret(self, key: Key) -> bool:
        """Return whether the value at a key must not be shown."""
        return self._composition.is_secret(self._composition.path(key))

    def mask(self, key: Key, value: object) -> object:
        """Return `value` as it may be shown for a key: ``******`` for a secret, URLs without their password."""
        return self._composition.masked(self._composition.path(key), value)

    def __repr__(self) -> str:
        profiles = ", ".join(self.active_profiles) or "none"
        return f"<Environment {len(self.sources)} sources, profiles: {profiles}>"
