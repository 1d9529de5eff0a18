"""Step one: read files, variables and arguments while only the framework's own section is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app_framework.boot.config import external
from app_framework.boot.config.app_properties import OWN_MODELS
from app_framework.boot.config.canonical import Canonical
from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.files import ConfigFiles, Location, locations, standard_locations
from app_framework.boot.config.placeholders import Placeholders
from app_framework.boot.config.places import find_path
from app_framework.boot.config.profiles import Profiles, expanded, is_profile_name
from app_framework.boot.config.property_source import ConfigValue, KeyPath, PropertySource, empty, merged
from app_framework.boot.config.secrecy import is_secret_name
from app_framework.boot.config.shape import shape_of_models
from app_framework.boot.config.yaml_source import YamlText, read_yaml
from app_framework.boot.origin import Origin

INLINE = "<inline>"
TEST_PROPERTIES = Origin("test properties")


@dataclass(frozen=True, slots=True, repr=False)
class Gathered:
    """What step one found; the texts of variables and arguments wait for the models.

    Args:
        directory: the working folder.
        environ: all environment variables.
        prefix: what ours begin with.
        arguments: settings of the command line.
        properties: settings of a test.
        json: what ``APP_APPLICATION_JSON`` holds.
        files: the documents that count, the lowest first.
        profiles: which profiles are active.
        problems: what is wrong so far.
        drawn: random values that were drawn for placeholders.
    """

    directory: Path
    environ: Mapping[str, str]
    prefix: str
    arguments: tuple[str, ...]
    properties: Mapping[str, object]
    json: PropertySource | None = None
    files: tuple[PropertySource, ...] = ()
    profiles: Profiles = field(default_factory=Profiles)
    problems: tuple[ConfigProblem, ...] = ()
    drawn: dict[tuple[KeyPath, str], str] = field(default_factory=dict)

    def above_files(self, below: ConfigValue, canonical: Canonical) -> Iterator[external.External]:
        """Yield what stands above the files, the lowest first, each read with those below in mind."""
        found = external.variables(self.environ, self.prefix, below, canonical)
        yield found
        below = merged(below, found.source.root)
        if self.json:
            found = external.External(PropertySource(self.json.name, canonical.root(self.json.root)))
            yield found
            below = merged(below, found.source.root)
        if self.arguments:
            found = external.arguments(self.arguments, below, canonical)
            yield found
            below = merged(below, found.source.root)
        if self.properties:
            yield external.properties(self.properties, below, canonical, TEST_PROPERTIES)


def gather(
    *,
    directory: Path,
    packaged: Path | None,
    config: Path | None,
    profiles: Sequence[str],
    environ: Mapping[str, str],
    arguments: tuple[str, ...],
    properties: Mapping[str, object],
    inline: str | None,
    prefix: str,
) -> Gathered:
    """Read every source of settings; see `Environment.load`."""
    json, problems = _application_json(environ, prefix)
    start = Gathered(directory, environ, prefix, arguments, properties, json)
    return _Gathering(start, packaged, config, tuple(profiles), inline).run(problems)


def _application_json(
    environ: Mapping[str, str], prefix: str
) -> tuple[PropertySource | None, tuple[ConfigProblem, ...]]:
    name = prefix + external.JSON_VARIABLE
    if not environ.get(name, "").strip():
        return None, ()
    source = f"environment variable {name}"
    text = read_yaml(environ[name], source)
    root = empty(Origin(source))
    for document in text.documents:
        root = merged(root, document)
    return PropertySource(source, root), text.problems


class _Gathering:
    """Reads the files twice: once to learn the profiles, once with them."""

    def __init__(
        self,
        start: Gathered,
        packaged: Path | None,
        config: Path | None,
        profiles: tuple[str, ...],
        inline: str | None,
    ) -> None:
        self._start = start
        self._packaged = packaged
        self._config = config
        self._profiles = profiles
        self._inline = inline
        self._shape = shape_of_models(OWN_MODELS, open_root=True)
        self._texts: dict[Path, YamlText] = {}
        self._problems: list[ConfigProblem] = []
        self._above = [each.source.root for each in start.above_files(empty(Origin("")), Canonical(self._shape))]

    def run(self, problems: Sequence[ConfigProblem]) -> Gathered:
        first = self._read(None)
        profiles = self._resolve_profiles([source.root for source in first.sources])
        files = self._read(profiles)
        return Gathered(
            directory=self._start.directory,
            environ=self._start.environ,
            prefix=self._start.prefix,
            arguments=self._start.arguments,
            properties=self._start.properties,
            json=self._start.json,
            files=tuple(files.sources),
            profiles=profiles,
            problems=(*problems, *files.problems, *self._problems),
        )

    def _read(self, profiles: Profiles | None) -> ConfigFiles:
        files = ConfigFiles(self._start.directory, self._start.environ, profiles, self._substituted, self._texts)
        for location in self._locations():
            files.location(location)
        if self._inline is not None:
            files.text(INLINE, self._inline)
        imports = self._setting("import")
        if imports is not None:
            files.imports(imports, self._start.directory)
        return files

    def _locations(self) -> list[Location]:
        directory = self._start.directory
        found = [Location(directory / self._packaged)] if self._packaged else []
        named = locations(self._setting("location"), directory)
        if self._config is not None:
            named = [Location(directory / self._config, Origin("--config"))]
        found.extend(named or standard_locations(directory))
        return found + locations(self._setting("additional-location"), directory)

    def _setting(self, key: str) -> ConfigValue | None:
        """Return ``app.config.<key>`` from above the files."""
        above = empty(Origin(""))
        for root in self._above:
            above = merged(above, root)
        path = ("app", "config", key)
        found = above.find(path)
        return self._substituted(found, above, path) if found else None

    def _resolve_profiles(self, files: Sequence[ConfigValue]) -> Profiles:
        """Return the profiles that files, variables, arguments and the caller ask for together."""
        canonical = Canonical(self._shape)
        layers = [*(canonical.root(root) for root in files), *self._above]
        whole = empty(Origin(""))
        for layer in layers:
            whole = merged(whole, layer)

        def names(layer: ConfigValue, *key: str) -> list[str]:
            path = ("app", "profiles", *key)
            value = layer.find(path)
            return self._names(self._substituted(value, whole, path)) if value else []

        group = whole.find(("app", "profiles", "group"))
        groups = {name: names(whole, "group", name) for name in (group.children if group else ())}
        included = [name for layer in layers for name in names(layer, "include")]
        active = list(self._profiles) or names(whole, "active")
        default = names(whole, "default") or ["default"]
        return Profiles(expanded([*included, *active], groups), expanded(default, groups))

    def _names(self, value: ConfigValue) -> list[str]:
        """Return the profiles in a list or in a text with commas; what cannot be a name is a problem."""
        entries = value.value if isinstance(value.value, list) else [value]
        found = []
        for entry in entries:
            for name in str(entry.text or entry.value or "").split(","):
                if is_profile_name(name.strip()):
                    found.append(name.strip())
                elif name.strip():
                    self._problems.append(_bad_name(name.strip(), entry.origin))
        return found

    def _substituted(self, value: ConfigValue, within: ConfigValue, path: KeyPath) -> ConfigValue:
        """Return a value without placeholders, given what is known this early."""
        root = within
        for layer in self._above:
            root = merged(root, layer)

        def find(key: str) -> KeyPath | None:
            return find_path(key, self._shape, root)

        placeholders = Placeholders(root, self._shape, find, self._start.environ, _named_secret, {})
        found = placeholders.value(value, self._shape.at(path), path)
        self._problems.extend(each for each in placeholders.problems if each not in self._problems)
        return found


def _named_secret(path: KeyPath) -> bool:
    return any(isinstance(step, str) and is_secret_name(step) for step in path)


def _bad_name(name: str, origin: Origin) -> ConfigProblem:
    message = f"'{name}' cannot be the name of a profile"
    return ConfigProblem("bad-profile", message, origin, action="Use letters, digits and - _ . + @.")
