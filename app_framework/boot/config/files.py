"""Find and read the configuration files: locations, profiles, documents, imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app_framework.boot.config.app_properties import OWN_MODELS
from app_framework.boot.config.canonical import Canonical
from app_framework.boot.config.configtree import read_config_tree
from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.profiles import Profiles, ProfileSyntaxError
from app_framework.boot.config.property_source import ConfigValue, KeyPath, PropertySource
from app_framework.boot.config.shape import shape_of_models
from app_framework.boot.config.yaml_source import YamlText, read_yaml
from app_framework.boot.origin import Origin
from app_framework.errors import near_matches

_NAME = "application"
_SUFFIXES = (".yml", ".yaml")
_OPTIONAL, _FILE, _TREE, _VARIABLE = "optional:", "file:", "configtree:", "env:"
_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]+):")  # one letter is a drive
_DOCUMENTS_MAX = 1000
_GATE = ("app", "config", "activate", "on-profile")
_IMPORT = ("app", "config", "import")

Substitute = Callable[[ConfigValue, ConfigValue, KeyPath], ConfigValue]


@dataclass(frozen=True, slots=True)
class Location:
    """A place where configuration is looked for.

    Args:
        path: a file, or a folder with ``application.yml`` in it; ``*`` as last part means each folder below.
        asked_by: who named it, None for the standard places, which may be empty.
        optional: whether it may be missing although somebody named it.
    """

    path: Path
    asked_by: Origin | None = None
    optional: bool = False


class ConfigFiles:
    """One reading of all files, in the order of their precedence, the lowest first.

    Args:
        directory: the working folder, which file names are shown relative to.
        environ: variables for ``env:`` imports.
        profiles: the active profiles; None reads only what holds under any profile.
        substitute: replaces placeholders in a value, given the document it is in and its path there.
        texts: files that were read before.

    Attributes:
        sources: the documents that count.
        problems: what is wrong with the files and their imports.
    """

    def __init__(
        self,
        directory: Path,
        environ: Mapping[str, str],
        profiles: Profiles | None,
        substitute: Substitute,
        texts: dict[Path, YamlText],
    ) -> None:
        self.sources: list[PropertySource] = []
        self.problems: list[ConfigProblem] = []
        self._directory = directory
        self._environ = environ
        self._profiles = profiles
        self._substitute = substitute
        self._texts = texts
        self._loaded: set[Path | str] = set()
        self._open: list[Path | str] = []
        self._shape = shape_of_models(OWN_MODELS, open_root=True)

    def location(self, location: Location) -> None:
        """Read a location: its files, then their variants for each profile."""
        folders = [location.path]
        if location.path.name == "*":
            folders = sorted(entry for entry in _entries(location.path.parent) if entry.is_dir())
        found = [self._at(path) for path in folders]
        if not any(found) and location.asked_by and not location.optional:
            self._missing(str(location.path), location.path, location.asked_by)

    def text(self, name: str, text: str) -> None:
        """Read YAML that is not in a file."""
        self._documents(name, read_yaml(text, name), name, self._directory, specific=False)

    def imports(self, value: ConfigValue, base: Path, specific: bool = False) -> None:
        """Read what an ``app.config.import`` names, in its order."""
        for entry in _listed(value):
            if isinstance(entry.value, str) and entry.value.strip() and "${" not in entry.value:
                self._import(entry.value.strip(), entry.origin, base, specific)

    def _at(self, path: Path) -> bool:
        """Read a file or the ``application`` files of a folder; return whether there is one."""
        stems = [path / f"{_NAME}{suffix}" for suffix in _SUFFIXES] if path.is_dir() else [path]
        found = [self._file(stem, specific=False) for stem in stems]
        for profile in self._profiles.accepted if self._profiles else ():
            for stem in stems:
                variant = stem.with_name(f"{stem.stem}-{profile}{stem.suffix}")
                found.append(self._file(variant, specific=True))
        return any(found) if path.is_dir() else found[0]

    def _file(self, path: Path, specific: bool) -> bool:
        """Read one file once; return whether it exists."""
        if not path.is_file():
            return False
        resolved = path.resolve()
        if resolved in self._loaded:
            return True
        self._loaded.add(resolved)
        name = self._shown(path)
        if resolved not in self._texts:
            self._texts[resolved] = self._read(path, name)
        self._documents(name, self._texts[resolved], resolved, path.parent, specific)
        return True

    def _read(self, path: Path, name: str) -> YamlText:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            reason, action = "the file is not UTF-8 text", "Save the file as UTF-8."
        except OSError as error:
            reason, action = f"the file cannot be read: {error.strerror}", "Give the process the right to read it."
        else:
            return read_yaml(text, name, path.absolute())
        return YamlText((), (ConfigProblem("bad-file", reason, Origin(name, path=path), action=action),))

    def _documents(self, name: str, text: YamlText, identity: Path | str, base: Path, specific: bool) -> None:
        self.problems.extend(text.problems)
        self._open.append(identity)
        for number, root in enumerate(text.documents, 1):
            title = name if len(text.documents) == 1 else f"{name} (document {number})"
            self._document(title, root, base, specific)
        self._open.pop()

    def _document(self, title: str, root: ConfigValue, base: Path, specific: bool) -> None:
        """Take a document if its profiles hold, then what it imports, which wins over it."""
        if len(self.sources) >= _DOCUMENTS_MAX:
            self._problem(
                "too-large", f"there are more than {_DOCUMENTS_MAX} documents", root.origin, "Join some of the files."
            )
            return
        own = Canonical(self._shape).root(root)
        gate = own.find(_GATE)
        specific = specific or gate is not None
        if specific:
            self._refuse_profiles(own)
        if gate is not None and not self._holds(gate, own):
            return
        self._refuse_locations(own)
        self.sources.append(PropertySource(title, root))
        imports = own.find(_IMPORT)
        if imports is not None:
            self.imports(self._substitute(imports, own, _IMPORT), base, specific)

    def _holds(self, gate: ConfigValue, document: ConfigValue) -> bool:
        """Return whether one of the expressions of a document holds."""
        if self._profiles is None:
            return False
        held = False
        for entry in _listed(self._substitute(gate, document, _GATE)):
            try:
                held = self._profiles.accepts(str(entry.value)) or held
            except ProfileSyntaxError as error:
                self._problem("bad-profile", str(error), entry.origin, "Write it like 'prod & (us | eu) & !test'.")
        return held

    def _refuse_profiles(self, document: ConfigValue) -> None:
        profiles = document.find(("app", "profiles"))
        for key, value in (profiles.children if profiles else {}).items():
            message = f"app.profiles.{key} is not allowed in a document that is for certain profiles"
            action = f"Move app.profiles.{key} to a document without a profile; use app.profiles.group to add profiles."
            self._problem("profiles-in-profile", message, value.key_origin, action)

    def _refuse_locations(self, document: ConfigValue) -> None:
        for key in ("location", "additional-location"):
            value = document.find(("app", "config", key))
            if value is not None:
                message = f"app.config.{key} has no effect in a file: the files are being read already"
                action = f"Use --app.config.{key}=… on the command line, or app.config.import in the file."
                self._problem("misplaced-key", message, value.key_origin, action)

    def _import(self, text: str, origin: Origin, base: Path, specific: bool) -> None:
        optional = text.startswith(_OPTIONAL)
        target = text.removeprefix(_OPTIONAL).removeprefix(_FILE)
        if target.startswith(_TREE):
            self._tree(target.removeprefix(_TREE), origin, base, optional)
        elif target.startswith(_VARIABLE):
            self._variable(target.removeprefix(_VARIABLE), origin, base, optional, specific)
        elif scheme := _SCHEME.match(target):
            known = ", ".join((_OPTIONAL, _TREE, _VARIABLE))
            message = f"'{scheme['name']}:' is no kind of import"
            self._problem(
                "bad-import",
                message,
                origin,
                f"Name a file, or begin with one of {known}.",
                near_matches(scheme["name"] + ":", (_OPTIONAL, _TREE, _VARIABLE)),
            )
        else:
            self._imported(base / target, target, origin, optional, specific)

    def _imported(self, path: Path, target: str, origin: Origin, optional: bool, specific: bool) -> None:
        """Read an imported file and its variants for the profiles, or the ``application`` files of a folder."""
        resolved = path.resolve()
        if resolved in self._open:
            cycle = [self._name(each) for each in self._open[self._open.index(resolved) :]]
            chain = " → ".join([*cycle, self._name(resolved)])
            self._problem("import-cycle", f"the files import each other: {chain}", origin, "Remove one of the imports.")
        elif path.is_dir():
            if not self._at(path) and not optional:
                self._missing(target, path, origin)
        elif self._file(path, specific):
            for profile in self._profiles.accepted if self._profiles else ():
                self._file(path.with_name(f"{path.stem}-{profile}{path.suffix}"), specific=True)
        elif not optional:
            self._missing(target, path, origin)

    def _tree(self, target: str, origin: Origin, base: Path, optional: bool) -> None:
        path = base / target
        folders = [path]
        if path.name == "*":
            folders = sorted(entry for entry in _entries(path.parent) if entry.is_dir())
        folders = [folder for folder in folders if folder.is_dir()]
        if not folders and not optional:
            self._missing(target, path, origin)
        for folder in folders:
            if folder.resolve() not in self._loaded:
                self._loaded.add(folder.resolve())
                root, problems = read_config_tree(folder, self._shown(folder))
                self.problems.extend(problems)
                self.sources.append(PropertySource(root.origin.source, root))

    def _variable(self, name: str, origin: Origin, base: Path, optional: bool, specific: bool) -> None:
        source = f"environment variable {name}"
        if source in self._loaded:
            return
        self._loaded.add(source)
        if name in self._environ:
            self._documents(source, read_yaml(self._environ[name], source), source, base, specific)
        elif not optional:
            near = near_matches(name, self._environ)
            message = f"the environment variable '{name}' to import is not set"
            self._problem("missing-import", message, origin, f"Set {name}, or write optional:env:{name}.", near)

    def _missing(self, target: str, path: Path, origin: Origin) -> None:
        near = near_matches(path.name, (entry.name for entry in _entries(path.parent)))
        what = f"no {_NAME}.yml in" if path.is_dir() else "there is no"
        message = f"'{target}' cannot be read: {what} {self._shown(path)}"
        action = f"Create {self._shown(path)}, correct its name, or write 'optional:{target}'."
        self._problem("missing-import", message, origin, action, near)

    def _shown(self, path: Path) -> str:
        """Return a path as a person would type it: relative where it lies below the working folder."""
        try:
            return path.absolute().relative_to(self._directory.absolute()).as_posix()
        except ValueError:
            return str(path)

    def _name(self, identity: Path | str) -> str:
        return self._shown(identity) if isinstance(identity, Path) else identity

    def _problem(self, code: str, message: str, origin: Origin, action: str, near: Sequence[str] = ()) -> None:
        self.problems.append(ConfigProblem(code, message, origin, tuple(near), action))


def _listed(value: ConfigValue) -> Iterator[ConfigValue]:
    """Yield the entries of a list that may also be written as one text with commas."""
    if isinstance(value.value, list):
        yield from value.value
    elif isinstance(value.value, str):
        for part in value.value.split(","):
            yield ConfigValue(part.strip(), value.origin, value.key_origin)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def locations(value: ConfigValue | None, directory: Path) -> list[Location]:
    """Return the locations that ``app.config.location`` names."""
    found = []
    for entry in _listed(value) if value else ():
        text = str(entry.value).strip()
        target = text.removeprefix(_OPTIONAL)
        if target:
            found.append(Location(directory / target, entry.origin, text.startswith(_OPTIONAL)))
    return found


def standard_locations(directory: Path) -> list[Location]:
    """Return ``./``, ``./config/`` and ``./config/*/``."""
    config = directory / "config"
    return [Location(directory), Location(config), Location(config / "*")]
