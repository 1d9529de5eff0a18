"""References: how they are written, what they need, and everything that is refused about them."""

from __future__ import annotations

import pytest

from app_framework.database import Database, ModelError, Reference, Source, Table
from app_framework.database.schema import ReferenceSyntaxError


def keyed(name: str, /, **columns: str) -> Table:
    return Table(name, columns=columns or {"id": "bigint", "next": "bigint"})


def refused(*references: str, tables: list[Table]) -> list[tuple[str, str]]:
    """Return place and code of each problem."""
    with pytest.raises(ModelError) as caught:
        Database.open(tables=tables, references=references)
    return [(problem.where, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "a.x -> b.y",
        "flights.(origin, time_hour) -> weather.(origin, time_hour)",
        "flights.dest -> airports.faa as dest_airport",
        "a.(x, y) -> b.(u, v) as c",
    ],
)
def test_a_reference_reads_as_it_is_written(text: str) -> None:
    assert str(Reference.parse(text)) == text


def test_spaces_do_not_count_and_quotes_hold_what_they_hold() -> None:
    assert Reference.parse('"my table"."a b"->b.(  y  )') == Reference("my table", ("a b",), "b", ("y",), "b")


@pytest.mark.parametrize("text", ["", "a.x", "a -> b", "a.x -> b", "a.x => b.y", "a.(x,y) -> b.x", "a.x -> b.y as"])
def test_what_is_no_reference_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReferenceSyntaxError, match=r"orders\.customer_id -> customers\.id"):
        Reference.parse(text)


def test_unknown_tables_and_columns_are_refused() -> None:
    tables = [keyed("a"), keyed("b")]
    assert refused("a.id -> c.id", "a.idd -> b.id", "a.id -> b.idd", tables=tables) == [
        ("database.references[0]", "UNKNOWN_TABLE"),
        ("database.references[1]", "UNKNOWN_COLUMN"),
        ("database.references[2]", "UNKNOWN_COLUMN"),
    ]


def test_columns_that_can_never_be_equal_are_refused() -> None:
    tables = [keyed("a", id="bigint", at="date"), keyed("b", id="decimal(10,0)", name="varchar")]
    assert refused("a.id -> b.name", "a.at -> b.id as c", "a.id -> b.id as d", tables=tables) == [
        ("database.references[0]", "TYPE_MISMATCH"),
        ("database.references[1]", "TYPE_MISMATCH"),
    ]


def test_two_references_of_one_table_need_two_names() -> None:
    tables = [keyed("a"), keyed("b")]
    assert refused("a.id -> b.id", "a.next -> b.id", tables=tables) == [
        ("database.references[1]", "DUPLICATE_REFERENCE")
    ]
    with Database.open(tables=tables, references=["a.id -> b.id", "a.next -> b.id as other"]) as database:
        assert [reference.name for reference in database.references] == ["b", "other"]


@pytest.mark.parametrize(
    "references", [["a.next -> a.id as parent"], ["a.next -> b.id", "b.next -> c.id", "c.next -> a.id"]]
)
def test_a_circle_of_references_is_refused(references: list[str]) -> None:
    """A path along it would never end."""
    found = refused(*references, tables=[keyed("a"), keyed("b"), keyed("c")])
    assert found == [(f"database.references[{len(references) - 1}]", "REFERENCE_CYCLE")]


def test_a_target_that_several_rows_share_is_refused_with_the_rows(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A row that found two would be counted twice; a null is nobody's target and collides with nothing."""
    file = tmp_path_factory.mktemp("data") / "b.csv"
    file.write_text("id,name\n1,x\n1,y\n,z\n,z\n")
    with pytest.raises(ModelError) as caught:
        Database.open(tables=[keyed("a"), Table("b", Source.of(csv=file))], references=["a.id -> b.id"])
    assert str(caught.value) == (
        "database.references[0]: `a.id -> b.id` needs at most one row: (id) is not a key of table 'b';"
        " values that several rows share: 1.\n    (1): name=x | name=y"
    )
