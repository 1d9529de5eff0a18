"""Mistakes that slip through easily: each is told once, at its place, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from app_framework.database import Database, ModelError, Table
from app_framework.olap import build_cubes, read_model
from app_framework.testing import GoldenFiles

TABLES = [
    Table("sales", columns={"customer": "integer", "Region": "varchar", "shipped": "date", "n": "smallint"}),
    Table("customers", columns={"id": "integer", "name": "varchar"}, key="id"),
    Table("stores", columns={"id": "integer", "name": "varchar"}, key="id"),
]
REFERENCES = ["sales.customer -> customers.id", "sales.n -> stores.id"]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=REFERENCES) as opened:
        yield opened


def problems(database: Database, cube: str, name: str = "c") -> list[tuple[str, str]]:
    """Return where and what is wrong with a cube written in YAML."""
    model = read_model({"S": {"base": "sales", "cubes": {name: yaml.safe_load(cube)}}}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, database, known=model.problems)
    place = f"schemas.S.cubes.{name}"
    return [(p.where.removeprefix(place).removeprefix("."), p.sentence) for p in caught.value.problems]


DIMENSIONS = [
    "A:", "A: []", "A: ''", "A: [' ']", "A: {levels: []}", "A: {levels: {}}", "A: {hierarchies: {}}",
    "A: {hierarchies: {H: }}", "A: {hierarchies: [n]}", "A: {hierarchies: {H: [n]}, levels: [n]}", "A: [region]",
    "A: [name]", "A: {levels: {x: ''}}", "A: {levels: {x: 'n, n'}}", "A: {levels: {x: '(n, n)'}}",
    "A: {levels: {'#x': n}}", "A: {levels: {grouping: n}}", "A: {levels: [n], slicing: true, default: 70000}",
    "A: {levels: [n], slicing: true, default: x}", "A: {levels: [n], visible: perhaps}",
    "A: {levels: {x: {column: n, format: yes it is}}}", "A: {levels: {x: {column: n, order: {buy: n}}}}",
    "A: {levels: {x: {column: n, expression: n}}}", "A: {levels: {x: {colunm: n}}}", "A: {date: Region}",
]  # fmt: skip
MEASURES = [
    "m: {sum: ''}", "m: {formula: ''}", "m: {count: '*'}, M: {sum: n}", "Region: {count: '*'}",
    "region: {count: '*'}", "'#x': {sum: n}", "m: {sum: n, format: '0;0'}",
]  # fmt: skip


def test_each_mistake_is_told_once_at_its_place(database: Database, golden: GoldenFiles) -> None:
    """Nothing of what follows from it is told beside it; the golden file is there to be read aloud."""
    told = []
    for text in DIMENSIONS:
        found = problems(database, f"{{dimensions: {{{text}}}, measures: {{rows: {{count: '*'}}}}}}")
        assert len(found) == 1, found
        told.append((text, *found[0]))
    for text in MEASURES:
        found = problems(database, f"{{dimensions: {{A: [Region]}}, measures: {{{text}}}}}")
        assert len(found) == 1, found
        told.append((text, *found[0]))
    golden("mistakes-one-by-one.txt", "\n".join(f"{text}\n  {place}: {said}\n" for text, place, said in told))


def test_the_name_of_a_cube_must_fit_into_a_url(database: Database) -> None:
    ((_, told),) = problems(database, "{measures: {rows: {count: '*'}}}", name="a/b")
    assert told == "a cube cannot be called 'a/b': its name is a part of URLs, without `/`."
