"""The reference pages, written from the code: `make docs` writes them, the suite compares them.

>>> sorted(PAGES)
['commands.md', 'conditions.md', 'endpoints.md', 'errors.md', 'properties.md', 'python.md']
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app_framework import boot
from app_framework.boot import ApplicationContext, ConfigProperties, Deprecated, Duration, EndpointRegistry, SecretStr
from app_framework.cli.program import program
from app_framework.errors import FrameworkError, UserError
from app_framework.testing import ContextRunner
from app_framework.web import WebApp
from app_framework.web.openapi import PROBLEM_SCHEMA
from app_framework.web.problems import CODES

ROOMS = ("boot", "client", "cluster", "database", "errors", "messaging", "olap", "security", "testing", "web")
MENUS = ("app_framework", *(f"app_framework.{room}" for room in ROOMS))
HEADING = "<!-- Written by docs/generate.py from the code; `make docs` writes it again. -->"
COLUMNS = 100

Row = tuple[str, ...]


# -- properties ---------------------------------------------------------------------------------------------------


def properties_page() -> str:
    """Return every property of everything that is installed."""
    context = ContextRunner().installed().prepare()
    sections = [_section(model) for model in sorted(context.environment.models, key=_place)]
    intro = (
        "Every property, by section. A key is written in kebab-case; in YAML with dots or nested, as a variable in "
        "capitals with `_` (`APP_SERVER_PORT`), on the command line as `--server.port=0`. `<name>` is yours to choose, "
        "`[n]` is a position in a list. The same as a JSON Schema: `af config schema`. The rules: "
        "[configuration](../concepts/configuration.md)."
    )
    return _page("Properties", intro, *sections)


def _place(model: type[ConfigProperties]) -> tuple[bool, str, str]:
    return (_owner(model) != "framework", model.config_prefix or next(iter(model.model_fields)), model.__name__)


def _owner(model: type[ConfigProperties]) -> str:
    room = model.__module__.split(".")[1] if model.__module__.startswith("app_framework.") else model.__module__
    return "framework" if room == "boot" else f"starter `{room}`"


def _section(model: type[ConfigProperties]) -> str:
    prefix = model.config_prefix or ""
    keys = [f"`{key}`" for key in ([prefix] if prefix else (_key(name, f) for name, f in model.model_fields.items()))]
    told = f"{_first_line(model.__doc__)} Owner: {_owner(model)}."
    rows = list(_properties(model, prefix))
    return f"## {', '.join(keys)}\n\n{told}\n\n{_table(('property', 'type', 'default', 'description'), rows)}"


def _properties(model: type[ConfigProperties], above: str) -> Iterator[Row]:
    for name, info in model.model_fields.items():
        key = f"{above}.{_key(name, info)}".lstrip(".")
        below = list(_models_below(info.annotation, key))
        if not below or typing.get_origin(info.annotation) is dict:
            yield f"`{key}`", _type_of(info), _default_of(info), _description(info)
        for place, inner in below:
            yield from _properties(inner, place)


def _key(name: str, info: FieldInfo) -> str:
    return info.alias or name.rstrip("_").replace("_", "-")


def _models_below(annotation: Any, key: str) -> Iterator[tuple[str, type[ConfigProperties]]]:
    """Yield the models that a property holds, each with the key it is below."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, ConfigProperties):
        yield key, annotation
    elif origin is dict:
        yield from _models_below(arguments[1], f"{key}.<name>")
    elif origin in (list, tuple):
        yield from _models_below(arguments[0], f"{key}[n]")
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from _models_below(argument, key)


def _type_of(info: FieldInfo) -> str:
    return _type(info.annotation, tuple(info.metadata))


def _type(annotation: Any, marks: tuple[object, ...] = ()) -> str:
    """Return a type as a person says it."""
    for named, words in _NAMED:
        if any(mark is own for mark in marks for own in typing.get_args(named)[1:]):
            return words
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0], tuple(arguments[1:]))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    if origin is typing.Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    if isinstance(annotation, type) and issubclass(annotation, ConfigProperties):
        return "section"
    return _TYPES.get(annotation, "anything")


_NAMED: tuple[tuple[object, str], ...] = (
    (boot.DataSize, "size"),
    (boot.ConfigPath, "path"),
    (boot.ConfigGlob, "path pattern"),
)
_TYPES: Mapping[object, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    timedelta: "duration",
    Path: "path",
    SecretStr: "text, secret",
}


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default_factory is not None:
        return "" if list(_models_below(info.annotation, "")) or typing.get_origin(info.annotation) else "computed"
    return "" if info.default is PydanticUndefined else _value(info.default)


def _value(value: object) -> str:
    """Return a default as YAML writes it in one line; nothing where nothing is set."""
    if value is None or value in ((), [], {}) or isinstance(value, ConfigProperties):
        return ""
    return f"`{_plain(value)}`"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return str(TypeAdapter(Duration).dump_python(value, mode="json"))
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_plain(key)}: {_plain(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def _description(info: FieldInfo) -> str:
    marks = [mark for mark in info.metadata if isinstance(mark, Deprecated)]
    told = [f"Deprecated{f' since {mark.since}' if mark.since else ''}: use `{mark.replacement}`." for mark in marks]
    return " ".join([info.description or "", *told]).strip()


# -- conditions ---------------------------------------------------------------------------------------------------


def conditions_page() -> str:
    """Return every condition, and what the installed auto-configurations ask."""
    found = [name for name in boot.__all__ if name in ("all_of", "any_of", "none_of") or _is_condition(name)]
    intro = (
        "A condition decides whether an auto-configuration, a component or a bean counts. Each leaves an outcome: a "
        "sentence, and the place of the value that decided. Several must all match; `all_of`, `any_of` and `none_of` "
        "combine them. How they are used: [starters and conditions](../concepts/starters-and-conditions.md)."
    )
    return _page("Conditions", intro, *(_condition(name) for name in found), _auto_configurations())


def _is_condition(name: str) -> bool:
    value = getattr(boot, name)
    return name.startswith("on_") and inspect.signature(value).return_annotation == "Condition"


def _condition(name: str) -> str:
    function = getattr(boot, name)
    signature = str(inspect.signature(function)).replace("'", "").partition(" ->")[0]
    text, arguments = _sections_of(function)
    return "\n\n".join(part for part in (f"## `{name}`", f"`{name}{signature}`", text, arguments) if part)


def _sections_of(function: Callable[..., object]) -> tuple[str, str]:
    """Return the prose of a docstring, and its arguments as a list."""
    text, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")
    items = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", rest, re.MULTILINE)
    listed = "\n".join(f"- `{name}`: {' '.join(words.split())}" for name, words in items)
    return _markdown(" ".join(text.split())), _markdown(listed)


def _auto_configurations() -> str:
    installed = ContextRunner().installed().prepare().installed.auto_configurations
    rows = [
        (
            f"`{auto.id}`",
            _owner_of(auto.target),
            ", ".join(f"`{condition}`" for condition in auto.mark.conditions) or "none",
            ", ".join(f"`{each}`" for each in auto.mark.after),
            _markdown(_first_line(auto.target.__doc__)),
        )
        for auto in installed
    ]
    return "## Auto-configurations\n\n" + _table(("id", "owner", "conditions", "after", "what it does"), rows)


def _owner_of(target: type) -> str:
    room = target.__module__.split(".")[1] if "." in target.__module__ else target.__module__
    return "framework" if room == "boot" else f"starter `{room}`"


# -- endpoints ----------------------------------------------------------------------------------------------------


def endpoints_page() -> str:
    """Return every route of a node with everything installed."""
    schema, plain, actuator = _routes()
    operations = [
        (method.upper(), path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if not path.startswith("/actuator")
    ]
    common = set.intersection(*(set(_codes(operation)) for _, _, operation in operations))
    intro = (
        "The routes of a node with every starter. Each may answer with the problems "
        f"{', '.join(f'`{code}`' for code in CODES if code in common)}; further ones are listed. "
        "The shape of a problem: [errors](errors.md). A running node describes itself at `/docs` and `/openapi.json`."
    )
    return _page(
        "Endpoints",
        intro,
        *(_operation(*each, common) for each in operations),
        "## Pages and WebSockets\n\n" + _table(("route", "methods"), plain),
        actuator,
    )


@cache
def _routes() -> tuple[dict[str, Any], list[Row], str]:
    """Return the OpenAPI document, the routes it leaves out, and the section about the actuator."""
    everything = {"server.enabled": False, "management.endpoints.web.exposure.include": "*"}
    with ContextRunner().installed().properties(everything).run() as context:
        app = context[WebApp]
        schema = app.api.openapi()
        plain: list[Row] = sorted(
            (f"`{each.pattern}`", ", ".join(each.methods) or "GET")
            for each in app.mappings
            if each.pattern not in schema["paths"]
        )
        return schema, plain, _actuator(context)


def _operation(method: str, path: str, operation: Mapping[str, Any], common: set[str]) -> str:
    parts = [f"## `{method} {path}`", _markdown(operation.get("description") or operation["summary"])]
    parameters = [each for each in operation.get("parameters", []) if each["in"] != "path" or "description" in each]
    if parameters:
        parts.append(_table(("parameter", "in", "type", "description"), [_parameter(each) for each in parameters]))
    if "requestBody" in operation:
        parts.append(f"Body: {_media(operation['requestBody'])}.")
    parts.append(f"Answers: {_media(operation['responses']['200'])}.")
    own = [code for code in _codes(operation) if code not in common]
    if own:
        parts.append(f"Problems: {', '.join(f'{CODES[code][0]} `{code}`' for code in own)}.")
    return "\n\n".join(parts)


def _parameter(parameter: Mapping[str, Any]) -> Row:
    schema = parameter["schema"]
    kinds = [each["type"] for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    told = parameter.get("description", "")
    facts = [f"{words} {schema[key]}" for key, words in _BOUNDS.items() if schema.get(key) is not None]
    extra = f"{', '.join(facts).capitalize()}." if facts else ""
    return f"`{parameter['name']}`", parameter["in"], " or ".join(kinds), f"{told} {extra}".strip()


_BOUNDS = {"default": "default", "minimum": "at least", "maximum": "at most"}


def _media(body: Mapping[str, Any]) -> str:
    return ", ".join(f"`{each}`" for each in body.get("content", {})) or "nothing"


def _codes(operation: Mapping[str, Any]) -> list[str]:
    text = " ".join(str(response.get("description")) for response in operation["responses"].values())
    return [code for code in CODES if f"`{code}`" in text]


def _actuator(context: ApplicationContext) -> str:
    rows = [
        (
            f"`{endpoint.id}`",
            "read, write" if endpoint.writable else "read",
            _markdown(_first_line(type(endpoint).__doc__)),
        )
        for endpoint in sorted(context[EndpointRegistry].exposed, key=lambda each: each.id)
    ]
    told = (
        "Below `/actuator`, with Spring Boot's ids and shapes. Only `health` is exposed unless "
        "`management.endpoints.web.exposure.include` says more."
    )
    return f"## Actuator\n\n{told}\n\n" + _table(("id", "access", "what it does"), rows)


# -- errors -------------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """Return every problem code, its status, and the errors that carry it."""
    errors = _errors_by_code()
    rows = [
        (f"`{code}`", str(status), title, ", ".join(errors.get(code, ()))) for code, (status, title) in CODES.items()
    ]
    facts = [
        (f"`{name}`", str(about.get("description", "")))
        for name, about in PROBLEM_SCHEMA["properties"].items()
        if name not in PROBLEM_SCHEMA["required"]
    ]
    intro = (
        "An error over HTTP is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `code` "
        "and `errors`. Each entry of `errors` has a `code`, the `field` of the request, a `detail`, and `near`: what "
        "was probably meant. The top-level code is the only one, or `INVALID_QUERY` when there are several."
    )
    codes = "## Codes\n\n" + _table(("code", "status", "title", "Python"), rows)
    more = "## What a problem may add\n\n" + _table(("field", "meaning"), facts)
    return _page("Errors", intro, codes, more)


def _errors_by_code() -> dict[str, list[str]]:
    """Return the public errors by the code that they carry; some codes are told by the name of the class."""
    public = {name: getattr(module, name) for module in map(importlib.import_module, MENUS) for name in _public(module)}
    found: dict[str, list[str]] = {}
    for name, error in sorted(public.items()):
        if isinstance(error, type) and issubclass(error, UserError | FrameworkError):
            named = "_".join(re.findall("[A-Z][a-z]+", name.removesuffix("Error"))).upper()
            code = named if named in CODES else vars(error).get("code")
            found.setdefault(str(code), []).append(f"`{name}`")
    return found


# -- commands -----------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Return the help of every command."""
    intro = (
        "`af` is short for `app-framework`. Data goes to standard output, messages to standard error; the exit code is "
        "0, 1 for what cannot be done, 2 for wrong usage. Every setting is an option too: `af run --server.port=0`."
    )
    with click.Context(program, info_name="af", **program.context_settings) as context:
        return _page("Commands", intro, *_helps(program, context))


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n\n```text\n{_help(command, context)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            with click.Context(below, info_name=name, parent=context) as inner:
                yield from _helps(below, inner)


def _help(command: click.Command, context: click.Context) -> str:
    formatter = click.HelpFormatter(width=COLUMNS, max_width=COLUMNS)
    command.format_help(context, formatter)
    return "\n".join(line.rstrip() for line in formatter.getvalue().rstrip().splitlines())


# -- Python -------------------------------------------------------------------------------------------------------


def python_page() -> str:
    """Return the public names of every menu with one line each."""
    intro = (
        "What may be imported, by module. Everything else is internal. `help(name)` in a Python session has arguments, "
        "results and errors."
    )
    return _page("Python", intro, *(_menu(name) for name in MENUS))


def _menu(name: str) -> str:
    module = importlib.import_module(name)
    documented = _documented_values(name)
    rows = [
        (f"`{each}`", _markdown(_one_line(getattr(module, each), documented.get(each))))
        for each in sorted(_public(module))
    ]
    return f"## `{name}`\n\n{_markdown(_first_line(module.__doc__))}\n\n" + _table(("name", "what it is"), rows)


def _public(module: types.ModuleType) -> list[str]:
    """Return the names of a menu; those that a module without one defines itself."""
    menu: list[str] | None = getattr(module, "__all__", None)
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    return menu or [name for name in own if not name.startswith("_")]


def _one_line(value: object, documented: str | None) -> str:
    if documented:
        return _first_line(documented)
    own = isinstance(value, type) or inspect.isroutine(value) or type(value).__module__.startswith("app_framework.")
    return _first_line(value.__doc__) if own else ""


@cache
def _documented_values(package: str) -> dict[str, str]:
    """Return the texts below assignments such as ``Duration = …``, of the package and what it is made of."""
    found: dict[str, str] = {}
    folder = Path(str(importlib.import_module(package).__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for statement, after in pairwise(body):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            targets = [statement.target] if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [])
            if isinstance(text, str):
                found.update({target.id: text for target in targets if isinstance(target, ast.Name)})
    return found


# -- Markdown -----------------------------------------------------------------------------------------------------


def _page(title: str, intro: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", HEADING, intro, *sections]) + "\n"


def _table(heads: Row, rows: Iterable[Row]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "\\<") for at, part in enumerate(parts))


def _first_line(doc: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(doc or "").partition("\n\n")[0].split())


def _markdown(text: str) -> str:
    """Return a docstring's text for readers: without the ids of our own requirements."""
    return _OWN_IDS.sub("", text).replace("``", "`")


_OWN_IDS = re.compile(r" \((?:(?:FA|[A-Z])\d+(?:, )?)+\)")


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "conditions.md": conditions_page,
    "endpoints.md": endpoints_page,
    "errors.md": errors_page,
    "properties.md": properties_page,
    "python.md": python_page,
}
"""Each page's file and what writes it."""
