"""Scalar expressions over named things, read with DuckDB's own grammar and cleared of everything that is not scalar.

The engine turns the text into a syntax tree; a walk over the tree lets only whitelisted nodes and functions pass,
replaces each name by what the caller's `Resolve` says it stands for, and the engine writes the tree back as SQL.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from app_framework.database.datatype import DataType, UnknownTypeError
from app_framework.database.errors import ExpressionError
from app_framework.database.functions import (
    AGGREGATES,
    ARITHMETIC,
    DIVISIONS,
    FUNCTIONS,
    OPERATORS,
    REFUSED_CLASSES,
    SCALAR_CLASSES,
    SCALAR_OPERATORS,
    TEMPLATES,
)
from app_framework.database.sql import quote
from app_framework.errors import near_matches

Node = dict[str, object]
TEXT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Name:
    """What a name in an expression stands for: a qualified column, or another expression put in its place."""

    key: object
    column: tuple[str, ...] = ()
    type: DataType | None = None
    expression: Expression | None = None


Resolve = Callable[[tuple[str, ...]], Name]
"""Says what the parts of a dotted name stand for, or raises `UnknownNameError`."""


class UnknownNameError(Exception):
    """A name stands for nothing, or for several things.

    Attributes:
        near: the names that were probably meant.
        word: the name itself, where one of `near` can simply be written instead.
    """

    def __init__(self, reason: str, near: tuple[str, ...] = (), word: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.near = near
        self.word = word


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked scalar expression.

    Args:
        text: as it was written.
        sql: canonical SQL with every name qualified; integer arithmetic is done in 64 bits.
        narrow_sql: the same with columns in their own types, for the few functions that want them (``date + int``).
        names: the keys of the names it uses.
    """

    text: str
    sql: str
    narrow_sql: str
    names: frozenset[object]
    tree: Node = field(repr=False, compare=False, default_factory=dict)

    def __str__(self) -> str:
        return self.text


class ExpressionParser:
    """Reads expressions; `parse` and `render` are the engine's ways between SQL text and syntax tree."""

    def __init__(self, parse: Callable[[str], Node], render: Callable[[Node], str]) -> None:
        self._parse = parse
        self._render = render

    def read(self, text: str, resolve: Resolve) -> Expression:
        """Return the expression that a text writes.

        Raises:
            ExpressionError: it is not a scalar expression over names that `resolve` knows.
        """
        try:
            return self._checked(text, self._node(text), resolve)
        except RecursionError:
            raise ExpressionError(text, "the expression is nested too deeply") from None

    def _node(self, text: str) -> Node:
        if _NAME.fullmatch(text) and text.lower() not in _CONSTANTS:
            return {**_COLUMN, "column_names": text.split("."), "query_location": len(_HEAD)}
        return self._syntax(text)

    def _checked(self, text: str, node: Node, resolve: Resolve) -> Expression:
        wide = _Walk(text, resolve, self._syntax, widen=True)
        wide_node = wide.check(copy.deepcopy(node))
        sql = self._text(wide_node)
        narrow = sql
        if wide.widened:
            narrow = self._text(_Walk(text, resolve, self._syntax, widen=False).check(copy.deepcopy(node)))
        return Expression(text, sql, narrow, frozenset(wide.names), wide_node)

    def _syntax(self, text: str) -> Node:
        if not text.strip():
            raise ExpressionError(text, "the expression is empty", 0)
        if len(text) > TEXT_MAX:
            raise ExpressionError(text[:60] + "…", f"an expression has at most {TEXT_MAX:,} characters")
        tree = self._parse(f"{_HEAD}{text}\n)")
        if tree.get("error"):
            raise _syntax_error(text, tree)
        statements = cast("list[Node]", tree["statements"])
        select = cast("Node", statements[0]["node"])
        columns = cast("list[Node]", select.get("select_list", []))
        if len(statements) != 1 or len(columns) != 1 or _clauses(select) or columns[0].get("alias"):
            raise ExpressionError(text, "this is more than one expression")
        return columns[0]

    def _text(self, node: Node) -> str:
        if node.get("class") == "COLUMN_REF":
            return ".".join(quote(part) for part in cast("list[str]", node["column_names"]))
        statement = copy.deepcopy(_STATEMENT)
        cast("Node", statement["node"])["select_list"] = [node]
        return self._render({"error": False, "statements": [statement]}).removeprefix("SELECT ").strip()


class _Walk:
    """One pass over a syntax tree: refuses what is not scalar, puts in what names stand for."""

    def __init__(self, text: str, resolve: Resolve, syntax: Callable[[str], Node], *, widen: bool) -> None:
        self.names: set[object] = set()
        self.widened = False
        self._syntax = syntax
        self._text = text
        self._resolve = resolve
        self._widen = widen

    def check(self, node: Node, *, in_arithmetic: bool = False) -> Node:
        """Return the node with names replaced."""
        kind = node["class"]
        if kind == "COLUMN_REF":
            return self._name(node, in_arithmetic)
        if kind == "FUNCTION":
            return self._function(node)
        if kind == "CAST":
            self._check_type(cast("Node", node["type_expr"]))
            node["child"] = self.check(cast("Node", node["child"]))
            return node
        if kind not in SCALAR_CLASSES and (kind != "OPERATOR" or node["type"] not in SCALAR_OPERATORS):
            what = REFUSED_CLASSES.get(str(kind), str(node.get("type", kind)).lower().replace("_", " "))
            raise self._error(node, f"an expression cannot hold {what}")
        self._check_children(node)
        return node

    def _check_children(self, node: Node) -> None:
        for key, value in node.items():
            if isinstance(value, dict) and "class" in value:
                node[key] = self.check(value)
            elif isinstance(value, list):
                for position, item in enumerate(value):
                    if isinstance(item, dict) and "class" in item:
                        value[position] = self.check(item)
                    elif isinstance(item, dict):
                        self._check_children(item)

    def _name(self, node: Node, in_arithmetic: bool) -> Node:
        parts = tuple(cast("list[str]", node["column_names"]))
        try:
            name = self._resolve(parts)
        except UnknownNameError as error:
            raise self._error(node, error.reason, error.near, error.word) from None
        if name.expression is not None:
            self.names |= name.expression.names
            return copy.deepcopy(name.expression.tree)
        self.names.add(name.key)
        node["column_names"] = list(name.column)
        if in_arithmetic and name.type is not None and name.type.narrow:
            self.widened = True
            return _cast(node, "BIGINT") if self._widen else node
        return node

    def _function(self, node: Node) -> Node:
        path = cast("dict[str, list[str]]", node["qualified_name"])["path"]
        name = path[-1].lower()
        known = OPERATORS if node.get("is_operator") else FUNCTIONS
        if len(path) != 1 or (name not in known and name not in FUNCTIONS | OPERATORS):
            raise self._unknown_function(node, name)
        orders = cast("dict[str, list[object]]", node["order_bys"])["orders"]
        arguments = cast("list[Node]", node["arguments"])
        if node.get("distinct") or node.get("filter") or orders or any(a["name"] for a in arguments):
            raise self._error(node, f"{name} takes plain arguments only")
        for argument in arguments:
            argument["expression"] = self.check(cast("Node", argument["expression"]), in_arithmetic=name in ARITHMETIC)
        if name in DIVISIONS and len(arguments) == 2:
            # A division by zero is null, whatever the types are; DuckDB would answer infinity.
            arguments[1]["expression"] = _call("nullif", arguments[1]["expression"], _zero())
        return self._written_out(node, *TEMPLATES[name], arguments) if name in TEMPLATES else node

    def _written_out(self, node: Node, names: tuple[str, ...], template: str, arguments: list[Node]) -> Node:
        """Return what a function of our own stands for."""
        if len(arguments) != len(names):
            function = cast("dict[str, list[str]]", node["qualified_name"])["path"][-1].lower()
            raise self._error(node, f"{function} takes {' and '.join(names)}")
        given = {name: cast("Node", a["expression"]) for name, a in zip(names, arguments, strict=True)}
        return cast("Node", _filled(self._syntax(template), given))

    def _unknown_function(self, node: Node, name: str) -> ExpressionError:
        if name in AGGREGATES:
            return self._error(
                node, f"{name} adds up rows; an expression is about one. Make it a measure: {{{name}: …}}"
            )
        if name == "row":  # what the engine makes of `a, b`
            return self._error(node, "an expression gives one value, not several")
        return self._error(node, f"there is no function {name!r} here", near_matches(name, FUNCTIONS), name)

    def _check_type(self, node: Node) -> None:
        path = cast("dict[str, list[str]]", node["qualified_name"])["path"]
        name = path[-1].upper()
        try:
            if len(path) != 1 or name == "ENUM":
                raise UnknownTypeError(".".join(path))
            if name != "INTERVAL":
                DataType.parse(name)
        except UnknownTypeError as error:
            raise self._error(node, f"{error}", error.near, error.text) from None

    def _error(self, node: Node, reason: str, near: tuple[str, ...] = (), word: str = "") -> ExpressionError:
        return ExpressionError(self._text, reason, _character(self._text, node.get("query_location")), near, word)


_HEAD = "SELECT ("
_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_CONSTANTS = frozenset({"true", "false", "null"})
_COLUMN: Node = {
    "class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": 0, "query_location_length": 0,
}  # fmt: skip
_STATEMENT: Node = {
    "node": {
        "type": "SELECT_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "select_list": [],
        "from_table": {"type": "EMPTY", "alias": "", "sample": None, "query_location": 0},
        "where_clause": None,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    },
    "named_param_map": [],
}


def _clauses(select: Node) -> bool:
    """Whether a SELECT has anything but its one column: the text then closed our parenthesis and went on."""
    source = cast("Node", select.get("from_table", {}))
    tables = cast("dict[str, list[object]]", select.get("cte_map", {})).get("map")
    return bool(
        select.get("type") != "SELECT_NODE"
        or source.get("type") != "EMPTY"
        or tables
        or any(
            select.get(part)
            for part in ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
        )
    )


def _syntax_error(text: str, tree: Node) -> ExpressionError:
    position = _character(text, tree.get("position"))
    reason = str(tree.get("error_message", "syntax error"))
    if position is not None and position >= len(text):
        return ExpressionError(text, "the expression ends too early", len(text))
    return ExpressionError(text, reason, position)


def _character(text: str, location: object) -> int | None:
    """Return the character of `text` at a byte of the SQL around it; None when the engine names none."""
    encoded = text.encode()
    try:
        byte = int(str(location)) - len(_HEAD)
    except ValueError:
        return None
    if not 0 <= byte <= len(encoded) + 2:
        return None
    return len(encoded[:byte].decode(errors="ignore"))


def _filled(part: object, given: Mapping[str, Node]) -> object:
    """Return a part of a syntax tree with columns replaced by what is given for them."""
    if isinstance(part, list):
        return [_filled(each, given) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("class") == "COLUMN_REF" and (name := part["column_names"][0]) in given:
        return copy.deepcopy(given[name])
    return {key: _filled(each, given) for key, each in part.items()}


def _cast(node: Node, sql: str) -> Node:
    kind = {"class": "TYPE", "type": "TYPE", "alias": "", "children": [], "qualified_name": {"path": [sql]}}
    return {
        "class": "CAST", "type": "OPERATOR_CAST", "alias": "", "child": node, "try_cast": False,
        "type_expr": kind,
    }  # fmt: skip


def _call(name: str, *arguments: object) -> Node:
    return {
        "class": "FUNCTION", "type": "FUNCTION", "alias": "", "function_name": name, "schema": "", "catalog": "",
        "filter": None, "order_bys": {"type": "ORDER_MODIFIER", "orders": []}, "distinct": False,
        "is_operator": False, "export_state": False, "qualified_name": {"path": [name]},
        "arguments": [{"name": "", "expression": argument} for argument in arguments],
    }  # fmt: skip


def _zero() -> Node:
    return {
        "class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "literal": {"kind": "INTEGER", "text": "0"},
    }  # fmt: skip
