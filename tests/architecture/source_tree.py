"""What the source tree says about itself: its modules and who imports what, read without importing them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "app_framework"
EDGE_FILES = frozenset({"properties", "health", "autoconfigure"})

When = Literal["at once", "later", "never"]


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module.

    Args:
        target: its full dotted name.
        line: where the import is written.
        when: `at once` when the importing module is, `later` in a function, `never` but for a type checker.
    """

    target: str
    line: int
    when: When


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the package, with everything it imports."""

    name: str
    path: Path
    imports: tuple[Import, ...]

    @property
    def room(self) -> str:
        """The first name below the package: `olap` for `app_framework.olap.query`; empty for the package."""
        return self.name.partition(".")[2].partition(".")[0]

    @property
    def local_name(self) -> str:
        """The name below the package: `olap.query`."""
        return self.name.partition(".")[2]

    @property
    def is_edge(self) -> bool:
        """Whether it is one of a room's three files that wire it to the framework."""
        return self.name.rpartition(".")[2] in EDGE_FILES

    def at(self, line: int) -> str:
        """A place that an editor can open."""
        return f"{self.path.relative_to(ROOT).as_posix()}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, in order of their names."""
    paths = {_name(path): path for path in (ROOT / PACKAGE).rglob("*.py")}
    return tuple(Module(name, path, _imports(name, path, paths)) for name, path in sorted(paths.items()))


def rooms() -> tuple[str, ...]:
    """The packages and root modules that hold something already."""
    written = {module.room for module in modules() if module.path.read_text(encoding="utf-8").strip()}
    return tuple(sorted(written - {""}))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(name: str, path: Path, known: dict[str, Path]) -> tuple[Import, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return tuple(
        Import(target, node.lineno, when)
        for node, when in _import_nodes(tree, "at once")
        for target in _targets(node, package, known)
    )


def _import_nodes(parent: ast.AST, when: When) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, when
        elif _is_for_type_checkers(node):
            yield from _import_nodes(node, "never")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _import_nodes(node, "later")
        else:
            yield from _import_nodes(node, when)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: dict[str, Path]) -> list[str]:
    """The modules an import names: `from .query import X` is `.query`, and so is `from . import query`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, *([node.module] if node.module else [])])
    return sorted({full if (full := f"{base}.{alias.name}") in known else base for alias in node.names})


def is_ours(target: str) -> bool:
    """Whether an imported module belongs to the package."""
    return target == PACKAGE or target.startswith(f"{PACKAGE}.")


def is_third_party(target: str) -> bool:
    """Whether an imported module comes from another distribution."""
    return not is_ours(target) and target.partition(".")[0] not in sys.stdlib_module_names
