"""The layers of the house and the homes of its libraries, and the page that shows both."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from tests.architecture.source_tree import Module, When, is_ours, is_third_party, modules, rooms

ROOTS = ("clock", "errors", "format", "menu")
"""Every room may import these; they import the standard library."""

LAYERS: tuple[tuple[str, ...], ...] = (
    ROOTS,
    ("boot",),
    ("security",),
    ("messaging",),
    ("database",),
    ("cluster", "olap"),
    ("feeds",),
    ("tables",),
    ("partitions", "documents", "distribution"),
    ("client",),
    ("web",),
    ("cli", "testing"),
)
"""From the ground up. A room imports rooms of lower layers only, those that its row in MAY_IMPORT names."""

DOMAIN = ("cluster", "database", "distribution", "documents", "feeds", "messaging", "olap", "partitions", "tables")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "clock": (),
    "errors": (),
    "format": (),
    "menu": (),
    "boot": (),
    "security": (),
    "messaging": ("security",),
    "database": (),
    "cluster": ("messaging", "security"),
    "olap": ("database",),
    "feeds": ("database", "messaging", "olap"),
    "tables": ("cluster", "database", "messaging"),
    "partitions": ("cluster", "messaging", "tables"),
    "documents": ("cluster", "messaging", "tables"),
    "distribution": ("cluster", "database", "messaging", "olap"),
    "client": (),
    "web": (*DOMAIN, "security"),
    "cli": ("client", "cluster", "security", "web"),  # of the cluster what works without a node: `recover`
    "testing": (*DOMAIN, "client", "web"),
}
"""Beside the roots, and `boot` where BUILT_ON_BOOT or an edge file says so."""

BUILT_ON_BOOT = ("web", "cli", "testing")
"""Rooms that present the framework; everywhere else only edge files may import it."""

ALONE = ("client",)
"""Rooms for users that import no server room."""

ALONE_MAY_IMPORT = ("errors", "format")
"""What of ours they import: what their users meet there too."""

LIBRARY_HOMES: dict[str, tuple[str, ...]] = {
    "click": ("cli",),
    "dependency_injector": ("boot.container",),
    "duckdb": ("database.duckdb",),
    "fastapi": ("web",),
    "httpx": ("testing", "client", "cluster.peers"),
    "hypothesis": ("testing.generated_models", "testing.strategies"),
    "jinja2": ("web",),
    "nats": ("messaging.nats_bus", "messaging.nats_client"),
    "opentelemetry": ("messaging.spans",),
    "orjson": ("web",),
    "numpy": ("olap.tiles", "olap.partial"),
    "packaging": ("boot", "cli"),
    "pandas": ("client.frames",),
    "polars": ("client.frames",),
    "perspective": ("web.pivot.conversation",),
    "prometheus_client": ("boot.management.metrics",),
    "prompt_toolkit": ("cli",),
    "pyarrow": ("olap.arrow", "olap.partial", "client.frames"),
    "pydantic": ("boot", "web", "*.properties"),  # what a user may set is a pydantic model in every room
    "pydantic_core": ("boot", "web"),
    "pytest": ("testing.pytest_plugin",),
    "starlette": ("web",),
    "uvicorn": ("web",),
    "websockets": ("client.following",),
    "yaml": ("boot.config.yaml_source",),
}
"""The only places that may import each library: a room, one module of it, or one kind of module."""


def wrong_imports() -> Iterator[str]:
    """Every import of one of our rooms that the layers do not allow."""
    for module in modules():
        for use in module.imports:
            target = use.target.split(".")[1] if is_ours(use.target) and "." in use.target else ""
            if is_ours(use.target) and not may_import(module, target, use.when):
                yield f"{module.at(use.line)} imports {use.target}, {module.room or 'the root menu'} may not"


def may_import(module: Module, target: str, when: When = "at once") -> bool:
    """Whether a module may import a room; the root menu and `__main__` may import what they present."""
    if module.room in {"", "__main__"}:
        return target in {*ROOTS, "boot", "web", "cli"}
    if target == module.room:
        return True
    if target == "":
        return when == "later" or module.room in BUILT_ON_BOOT  # for its version; the root menu presents the rooms
    if module.room in ALONE:
        return target in ALONE_MAY_IMPORT
    if target in ROOTS:
        return module.room not in ROOTS
    if target == "boot":
        return module.room in BUILT_ON_BOOT or module.is_edge
    return target in MAY_IMPORT[module.room]


def cycles() -> list[str]:
    """Modules that import each other when they are imported, as paths that end where they began."""
    graph = {
        module.name: sorted({use.target for use in module.imports if use.when == "at once" and is_ours(use.target)})
        for module in modules()
    }
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(" → ".join((*path[path.index(name) :], name)))
        elif name not in done:
            for target in graph.get(name, ()):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    return found


def homeless_libraries() -> Iterator[str]:
    """Every import of a library outside its home."""
    for module in modules():
        for use in module.imports:
            library = use.target.partition(".")[0]
            if is_third_party(use.target) and not _home(module, library, use.when):
                homes = LIBRARY_HOMES.get(library)
                where = f"its home is {' and '.join(homes)}" if homes else "it has no home yet"
                yield f"{module.at(use.line)} imports {library}, {where}"


def drawing() -> str:
    """The page `docs/internals/layers.md`, drawn from the imports that are really there."""
    lines = [
        "# Import layers",
        "",
        "Drawn from the imports by `tests/architecture` (`make docs` draws it again); the same code refuses",
        "an import that goes up, sideways or round in a circle, and a library outside its home.",
        "Every room may import `clock`, `errors`, `format` and `menu`. Only a room's edge files (`properties.py`,",
        f"`health.py`, `autoconfigure.py`) import `boot`; {', '.join(BUILT_ON_BOOT)} are built on it.",
        "",
        "| layer | room | imports | its edge files also |",
        "| ---: | --- | --- | --- |",
        *_layer_rows(),
        "",
        "## Homes of the libraries",
        "",
        "| library | imported by |",
        "| --- | --- |",
        *_library_rows(),
    ]
    return "\n".join(lines) + "\n"


def _layer_rows() -> Iterator[str]:
    for number, layer in enumerate(LAYERS):
        for room in (room for room in layer if room in rooms()):
            plain = _rooms_imported(room, by_edge_files=False)
            edge = _rooms_imported(room, by_edge_files=True) - plain
            yield f"| {number} | `{room}` | {_cell(plain - set(ROOTS))} | {_cell(edge - set(ROOTS))} |"


def _library_rows() -> Iterator[str]:
    importers: dict[str, set[str]] = {}
    for module in modules():
        for use in module.imports:
            library = use.target.partition(".")[0]
            if is_third_party(use.target):
                importers.setdefault(library, set()).add(_home(module, library, use.when) or module.local_name)
    for library, names in sorted(importers.items()):
        yield f"| {library} | {_cell(names)} |"


def _home(module: Module, library: str, when: When) -> str | None:
    """The home of the library that the module is, or lies in; for annotations the whole room will do."""
    for home in LIBRARY_HOMES.get(library, ()):
        place = home.partition(".")[0] if when == "never" else home
        if fnmatchcase(module.local_name, place) or fnmatchcase(module.local_name, f"{place}.*"):
            return home
    return None


def _rooms_imported(room: str, *, by_edge_files: bool) -> set[str]:
    return {
        use.target.split(".")[1]
        for module in modules()
        if module.room == room and module.is_edge == by_edge_files
        for use in module.imports
        if is_ours(use.target) and "." in use.target
    } - {room}


def _cell(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
