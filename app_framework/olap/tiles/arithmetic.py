"""Formulas over the cells of a tile, with the types and the null rules of their SQL.

Integers and decimals are exact, or there is no answer: what might overflow, what has a type that is not told here, and
what is not a finite number is left to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from app_framework.database.datatype import DataType
from app_framework.olap.tiles.columns import Column, Mask, Numbers
from app_framework.olap.tiles.parts import NotHereError

Node = Mapping[str, Any]
Kind = Literal["integer", "decimal", "float", "boolean"]
SAFE = 2**62
"""Below it the sum of two numbers has 64 bits."""

EXACT_DOUBLE = 2**53
"""So far every integer is a double."""


@dataclass(frozen=True, slots=True)
class Value:
    """The values of an expression.

    Args:
        kind: integers, decimals as integers, doubles, or truth as integers.
        numbers: one per cell, or one for all.
        present: which are there; None where all are.
        scale: the digits after the point, of decimals.
        narrow: whether they are integers of fewer bits than 64, whose arithmetic overflows sooner.
        constant: whether it is written in the formula.
    """

    kind: Kind
    numbers: Numbers
    present: Mask | None = None
    scale: int = 0
    narrow: bool = False
    constant: bool = False


def as_value(column: Column, kind: DataType) -> Value:
    """Return a measure as a value.

    Raises:
        NotHereError: nothing is computed with values of its type.
    """
    if kind.family not in ("integer", "decimal", "float", "boolean") or kind.name in ("uint64", "float"):
        raise NotHereError
    narrow = kind.family == "integer" and kind.name != "int64"
    return Value(kind.family, column.numbers, column.present, kind.scale, narrow)


def as_column(value: Value, kind: DataType, length: int) -> Column:
    """Return a value as a measure of a type.

    Raises:
        NotHereError: the engine found another type for the formula.
    """
    if value.kind != kind.family or value.scale != kind.scale:
        raise NotHereError
    if value.kind == "integer" and kind.name != "int64" and not (value.narrow or value.constant):
        raise NotHereError
    present = None if value.present is None else np.broadcast_to(value.present, (length,))
    return Column(np.broadcast_to(value.numbers, (length,)), present)


def evaluate(node: Node, names: Mapping[str, Value]) -> Value:
    """Return the values of an expression over named values.

    Raises:
        NotHereError: it cannot be computed here exactly as the engine does it.
    """
    return _Evaluator(names).value(node)


class _Evaluator:
    def __init__(self, names: Mapping[str, Value]) -> None:
        self._names = names

    def value(self, node: Node) -> Value:
        read = _READERS.get(str(node["class"]))
        if read is None:
            raise NotHereError
        return read(self, node)

    def name(self, node: Node) -> Value:
        return self._names[node["column_names"][-1]]

    def constant(self, node: Node) -> Value:
        literal = node.get("literal") or {}
        kind, text = literal.get("kind"), str(literal.get("text", ""))
        if kind == "BOOLEAN":
            return Value("boolean", np.array(int(text == "true")), constant=True)
        digits = text.lstrip("-")
        whole, _, fraction = digits.partition(".")
        if kind not in ("INTEGER", "NUMERIC") or not (whole + fraction).isdigit() or len(whole + fraction) > 18:
            raise NotHereError
        number = np.array(int(text.replace(".", "")), dtype=np.int64)
        if kind == "INTEGER":
            return Value("integer", number, constant=True)
        return Value("decimal", number, scale=len(fraction), constant=True)

    def function(self, node: Node) -> Value:
        path, arguments = node["qualified_name"]["path"], node["arguments"]
        values = [self.value(argument["expression"]) for argument in arguments]
        if path == ["nullif"]:
            same = _compared("COMPARE_EQUAL", *values)
            present = _and(_present(values[0]), ~(same.numbers.astype(np.bool_) & _present(same)))
            return _cleared(replace(values[0], present=present, constant=False))
        if path == ["-"] and len(values) == 1:
            return _calculated("-", replace(values[0], numbers=np.zeros_like(values[0].numbers)), values[0])
        if len(values) != 2 or path not in (["+"], ["-"], ["*"], ["/"]):
            raise NotHereError
        return _calculated(path[0], *values)

    def comparison(self, node: Node) -> Value:
        return _compared(node["type"], self.value(node["left"]), self.value(node["right"]))

    def conjunction(self, node: Node) -> Value:
        """True and false as SQL has them: what is not known decides nothing that the others have not decided."""
        both = node["type"] == "CONJUNCTION_AND"
        values = [self._truth(child) for child in node["children"]]
        decided = [(value.numbers.astype(np.bool_) != both) & _present(value) for value in values]
        is_decided = decided[0]
        known = _present(values[0])
        for value, each in zip(values[1:], decided[1:], strict=True):
            is_decided, known = is_decided | each, known & _present(value)
        return Value("boolean", (is_decided != both).astype(np.int64), is_decided | known)

    def operator(self, node: Node) -> Value:
        children, kind = node["children"], node["type"]
        if kind == "OPERATOR_NOT":
            value = self._truth(children[0])
            return replace(value, numbers=1 - value.numbers)
        values = [self.value(child) for child in children]
        if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            there = _present(values[0])
            return Value("boolean", (there if kind == "OPERATOR_IS_NOT_NULL" else ~there).astype(np.int64))
        if kind != "OPERATOR_COALESCE":
            raise NotHereError
        values = _alike(values)
        result = values[-1]
        for value in reversed(values[:-1]):
            result = _either(_present(value), value, result)
        return result

    def case(self, node: Node) -> Value:
        conditions = [self._truth(check["when_expr"]) for check in node["case_checks"]]
        values = _alike([self.value(n) for n in (*(c["then_expr"] for c in node["case_checks"]), node["else_expr"])])
        result = values[-1]
        for condition, value in reversed([*zip(conditions, values[:-1], strict=True)]):
            result = _either(condition.numbers.astype(np.bool_) & _present(condition), value, result)
        return result

    def cast(self, node: Node) -> Value:
        value, to = self.value(node["child"]), node["type_expr"]["qualified_name"]["path"]
        if to == ["BIGINT"] and value.kind == "integer":
            return replace(value, narrow=False)
        if [each.upper() for each in to] == ["DOUBLE"] and value.kind != "boolean":
            return _double(value)
        raise NotHereError

    def _truth(self, node: Node) -> Value:
        value = self.value(node)
        if value.kind != "boolean":
            raise NotHereError
        return value


_READERS: Mapping[str, Callable[[_Evaluator, Node], Value]] = {
    "COLUMN_REF": _Evaluator.name,
    "CONSTANT": _Evaluator.constant,
    "FUNCTION": _Evaluator.function,
    "COMPARISON": _Evaluator.comparison,
    "CONJUNCTION": _Evaluator.conjunction,
    "OPERATOR": _Evaluator.operator,
    "CASE": _Evaluator.case,
    "CAST": _Evaluator.cast,
}

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "COMPARE_EQUAL": np.equal,
    "COMPARE_NOTEQUAL": np.not_equal,
    "COMPARE_LESSTHAN": np.less,
    "COMPARE_GREATERTHAN": np.greater,
    "COMPARE_LESSTHANOREQUALTO": np.less_equal,
    "COMPARE_GREATERTHANOREQUALTO": np.greater_equal,
}


def _calculated(operator: str, a: Value, b: Value) -> Value:
    if "boolean" in (a.kind, b.kind) or a.narrow or b.narrow or (a.constant and b.constant):
        raise NotHereError  # the types of such numbers have ends of their own
    present = _and(a.present, b.present)
    if operator == "/":
        a, b = _double(a), _double(b)
        # Where there is no divisor there is no quotient; 1 keeps the others apart.
        divisor = b.numbers if present is None else np.where(present, b.numbers, 1.0)
        return _finite(Value("float", a.numbers / divisor, present))
    if "float" in (a.kind, b.kind):
        return _finite(Value("float", _OPERATIONS[operator](_double(a).numbers, _double(b).numbers), present))
    scale = a.scale + b.scale if operator == "*" else max(a.scale, b.scale)
    kind: Kind = "decimal" if "decimal" in (a.kind, b.kind) else "integer"
    if operator == "*":
        if _most(a) * _most(b) >= SAFE:
            raise NotHereError
    else:
        a, b = _rescaled(a, scale), _rescaled(b, scale)
    return _cleared(Value(kind, _OPERATIONS[operator](a.numbers, b.numbers), present, scale))


_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply}


def _compared(operator: str, a: Value, b: Value) -> Value:
    if operator not in _COMPARISONS:
        raise NotHereError
    a, b = _alike([a, b])
    return Value("boolean", _COMPARISONS[operator](a.numbers, b.numbers).astype(np.int64), _and(a.present, b.present))


def _alike(values: list[Value]) -> list[Value]:
    """Return values in the one type that they are compared or put side by side in."""
    kinds = {value.kind for value in values}
    if "boolean" in kinds and len(kinds) > 1:
        raise NotHereError
    if "float" in kinds:
        return [_finite(_double(value)) for value in values]
    if "decimal" in kinds:
        scale = max(value.scale for value in values)
        return [replace(_rescaled(value, scale), kind="decimal", narrow=False) for value in values]
    narrow = all(value.narrow or value.constant for value in values)
    return [replace(value, narrow=narrow) for value in values]


def _either(condition: Mask, a: Value, b: Value) -> Value:
    """Return a value where a condition holds, and another where it does not."""
    present = None if a.present is None and b.present is None else np.where(condition, _present(a), _present(b))
    return replace(a, numbers=np.where(condition, a.numbers, b.numbers), present=present, constant=False)


def _rescaled(value: Value, scale: int) -> Value:
    factor = 10 ** (scale - value.scale)
    if scale > 18 or _most(value) * factor >= SAFE:
        raise NotHereError
    return replace(value, numbers=value.numbers * np.int64(factor), scale=scale)


def _most(value: Value) -> int:
    """Return the largest number without its sign."""
    if value.numbers.size == 0:
        return 0
    return max(abs(int(value.numbers.min())), abs(int(value.numbers.max())))


def _double(value: Value) -> Value:
    """Return numbers as doubles, as the engine makes doubles of them."""
    if value.kind == "float":
        return value
    if value.scale and _most(value) > EXACT_DOUBLE:
        raise NotHereError  # the engine's rounding of such decimals is its own
    return Value("float", value.numbers / float(10**value.scale), value.present)


def _finite(value: Value) -> Value:
    """Return values that are all numbers; the engine has rules of its own for infinity and what is none."""
    value = _cleared(value)
    if not np.isfinite(value.numbers).all():
        raise NotHereError
    return value


def _cleared(value: Value) -> Value:
    """Return values with 0 where there is none, so that they bound what is there."""
    if value.present is None:
        return value
    return replace(value, numbers=np.where(value.present, value.numbers, value.numbers.dtype.type(0)))


def _and(a: Mask | None, b: Mask | None) -> Mask | None:
    return b if a is None else a if b is None else a & b


def _present(value: Value) -> Mask:
    return np.ones(value.numbers.shape, dtype=np.bool_) if value.present is None else value.present
