"""Expressions: what may stand in them, what their names become, and how a mistake is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_framework.database import Database, DataType, ExpressionError, ExpressionParser, Table
from app_framework.database.expression import Name, UnknownNameError

COLUMNS = {"a": "bigint", "s": "smallint", "price": "decimal(15,2)", "day": "date", "name": "varchar", "ü": "double"}


def resolve(parts: tuple[str, ...]) -> Name:
    if parts[-1] not in COLUMNS:
        raise UnknownNameError(f"no column {'.'.join(parts)!r}", ("price",))
    return Name(parts, ("t", parts[-1]), DataType.parse(COLUMNS[parts[-1]]))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=[Table("t", columns=COLUMNS)]) as opened:
        yield opened


@pytest.fixture(scope="module")
def parser(database: Database) -> ExpressionParser:
    return database.expressions


def refusal(parser: ExpressionParser, text: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        parser.read(text, resolve)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("a", '"t"."a"'),
        ("x.y.a", '"t"."a"'),
        ("price * (1 - 0.1)", "(t.price * (1 - 0.1))"),
        ("year(day)", '"year"(t."day")'),
        ("extract(month from day)", "date_part('MONTH', t.\"day\")"),
        ("name || 'x'", "(t.\"name\" || 'x')"),
        ("case when a > 1 then 'many' end", "CASE  WHEN ((t.a > 1)) THEN ('many') ELSE NULL END"),
        ("a in (1, 2) and name is not null", '((t.a IN (1, 2)) AND (t."name" IS NOT NULL))'),
        ("coalesce(a, 0)::double", "CAST(COALESCE(t.a, 0) AS double)"),
        ("a between 1 and 2", "(t.a BETWEEN 1 AND 2)"),
        ("ü + 1", '(t."ü" + 1)'),
        ("'a -- b'", "'a -- b'"),
        ("a -- the rest is a comment", '"t"."a"'),
    ],
)
def test_names_are_qualified_and_the_rest_stays(parser: ExpressionParser, text: str, sql: str) -> None:
    assert parser.read(text, resolve).sql == sql


def test_a_division_by_zero_is_nothing(database: Database, parser: ExpressionParser) -> None:
    """Whatever the types and the operator: never infinity, never an error."""
    for text in ["1 / 0", "1.5 / 0.0", "1 // 0", "1 % 0", "mod(1, 0)", "fmod(1, 0)", "1e0 / 0e0"]:
        assert database.query(f"SELECT {parser.read(text, resolve).sql}") == [(None,)], text


def test_integers_are_computed_in_64_bits(database: Database, parser: ExpressionParser) -> None:
    """A smallint times a thousand would overflow in the column's own type."""
    expression = parser.read("s * 1000", resolve)
    assert database.query(f"SELECT {expression.sql} FROM (SELECT 30000::SMALLINT AS s) AS t") == [(30_000_000,)]
    assert expression.narrow_sql == "(t.s * 1000)"


def test_an_expression_knows_the_names_it_uses(parser: ExpressionParser) -> None:
    assert parser.read("x.a + y.a + 1", resolve).names == {("x", "a"), ("y", "a")}


@pytest.mark.parametrize(
    "text",
    [
        "(select 1)", "a in (select 1)", "exists (select 1)", "sum(a) over ()", "row_number() over ()", "*", "t.*",
        "columns('a')", "?", "$1", "$name", "list_transform([1], x -> x + 1)", "a collate nocase", "#1",
        "a, price", "a from t", "a) from t where (1 = 1", "a; drop table t", "a as b", "(a, price)", "{'k': a}",
        "getenv('HOME')", "current_setting('threads')", "nextval('s')", "random()", "now()", "today()", "uuid()",
        "current_date", "current_user", "version()", "pg_sleep(1)", "read_text('x')", "main.abs(a)",
        "a::enum('x')", "a::my_type", "repeat('x', 1000000000)", "range(1000000000)", "sum(a)", "count(*)",
        "abs(x := a)", "unnest([1])", "", "   ", "a +", "'open", "+".join(["a"] * 4000), "abs(" * 400 + "a" + ")" * 400,
    ],
)  # fmt: skip
def test_what_is_not_scalar_pure_and_known_is_refused(parser: ExpressionParser, text: str) -> None:
    """An expression can do nothing but compute one value from one row."""
    assert refusal(parser, text)


def test_a_mistake_is_shown_under_the_text(parser: ExpressionParser) -> None:
    """The caret counts characters, also after those that take several bytes."""
    assert refusal(parser, "ü + pric") == "no column 'pric'\n    ü + pric\n        ^"
    assert refusal(parser, "a + yeer(day)") == "there is no function 'yeer' here\n    a + yeer(day)\n        ^"
    assert refusal(parser, "a +") == "the expression ends too early\n    a +\n       ^"


def test_near_functions_are_suggested(parser: ExpressionParser) -> None:
    with pytest.raises(ExpressionError) as caught:
        parser.read("yeer(day)", resolve)
    assert "year" in caught.value.near


def test_an_aggregation_inside_an_expression_says_where_it_belongs(parser: ExpressionParser) -> None:
    assert "Make it a measure: {sum: …}" in refusal(parser, "sum(a) / 2")
