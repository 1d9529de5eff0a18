"""The members that data cubes hold, and that a query cube merges: in columns, whatever their number (AA13, AA14)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.database import Database, Insert, Table
from app_framework.distribution import Outline, Topology, outline_of
from app_framework.distribution.publishing import path_levels
from app_framework.olap import Cube, CubeDefinition
from app_framework.olap.partial.answering import PartialAnswerer
from app_framework.olap.partial.paths import PathLevel, Paths, PathsDelta, WrongPathsError, members_of, together
from app_framework.olap.partial.question import PartialFrame, PartialQuestion
from tests.distribution.published import a_contribution, an_outline, paths_of

ROWS: list[dict[str, object]] = [
    {
        "i": i, "city": i % 7, "text": f"c{i % 13}" if i % 11 else None, "flag": i % 5 == 0, "n": i - 50,
        "money": Decimal(i) / 4, "day": date(2024, 2, 27) + timedelta(days=i % 4), "at": time(10, i % 3),
        "moment": datetime.fromisoformat(f"2024-01-01T0{i % 6}:00:00.123456"),
        "instant": datetime(2024, 1, 1, i % 6, tzinfo=UTC),
        "id": UUID(int=i % 6), "huge": i % 9, "kind": ["b", "a", None][i % 3], "x": i / 8,
    }
    for i in range(100)
]  # fmt: skip
LEVELS: dict[str, object] = {
    "city_by": {"column": "city", "order": {"by": "-city"}},
    "city_down": {"column": "city", "order": {"by": "city % 2 = 0", "descending": True}},
    "text_listed": {"column": "text", "order": ["c5", "c12", "c1"]},
    "n_down": {"column": "n", "order": {"descending": True}},
    **{
        name: name
        for name in ("text", "flag", "n", "money", "day", "at", "moment", "instant", "id", "huge", "kind", "x")
    },
}


@pytest.fixture(scope="module")
def cube() -> Iterator[Cube]:
    """A cube with a hierarchy for every type and order."""
    columns = {
        "i": "bigint", "city": "bigint", "text": "varchar", "flag": "boolean", "n": "bigint", "money": "decimal(9,2)",
        "day": "date", "at": "time", "moment": "timestamp", "instant": "timestamptz", "id": "uuid", "huge": "hugeint",
        "kind": "ENUM('b', 'a')", "x": "double",
    }  # fmt: skip
    dimensions = {name: {"levels": {name: body}} for name, body in LEVELS.items()}
    definition = CubeDefinition.of("t", base="t", dimensions=dimensions, measures={"rows": {"count": "*"}})
    with Database.open(tables=[Table("t", columns=columns)]) as database:
        database.commit([Insert("t", ROWS)])
        yield Cube.of(definition, database)


def read_paths(cube: Cube, outline: Outline) -> dict[str, Paths]:
    """The paths of each hierarchy as a data cube publishes them."""
    levels = {each.full_name: path_levels(each) for each in outline.hierarchies}
    frames = tuple(PartialFrame(tuple(level.name for level in each)) for each in levels.values())
    answer = asyncio.run(PartialAnswerer(cube.model, cube._database).answer(PartialQuestion(frames)))
    return {name: Paths.read(levels[name], [table]) for name, table in zip(levels, answer.tables, strict=True)}


def levels_of(outline: Outline) -> Iterator[tuple[str, PathLevel]]:
    """Each level with the hierarchy that has nothing else."""
    return ((each.full_name, path_levels(each)[0]) for each in outline.hierarchies)


@pytest.fixture(scope="module")
def published(cube: Cube) -> dict[str, tuple[PathLevel, Paths]]:
    """Each level of the cube with its members as they are published."""
    outline = outline_of(cube.model)
    paths = read_paths(cube, outline)
    return {level.name: (level, paths[name]) for name, level in levels_of(outline)}


@pytest.mark.parametrize("name", LEVELS)
def test_members_are_those_of_the_cube_in_the_same_order(
    cube: Cube, published: dict[str, tuple[PathLevel, Paths]], name: str
) -> None:
    """Whatever the type and the order, a query cube lists members as the cube with the rows does."""
    level, paths = published[f"{name}.{name}.{name}"]
    whole = asyncio.run(cube.members(name, limit=1000))
    assert members_of([paths], level.name) == whole
    assert members_of([paths], level.name, limit=3) == whole[:3]
    assert paths.held(level.name) == frozenset(whole)
    assert [type(each) for each in members_of([paths], level.name)] == [type(each) for each in whole]


def test_a_prefix_keeps_the_texts_that_begin_so(cube: Cube, published: dict[str, tuple[PathLevel, Paths]]) -> None:
    """Search in a list of members works on a query cube as elsewhere."""
    level, paths = published["text_listed.text_listed.text_listed"]
    found = members_of([paths], level.name, "c1", 3)
    assert found == asyncio.run(cube.members("text_listed", prefix="c1", limit=3)) == ("c12", "c1", "c10")


def test_members_of_several_data_cubes_are_each_there_once_in_order() -> None:
    """Each data cube sorts its own; what is merged is only as much as is asked for."""
    outline = keyed_outline()
    north = paths_of(outline, "Geo.Geo", [("Oslo", 3), ("Bergen", 1), (None, None)])
    south = paths_of(outline, "Geo.Geo", [("Rome", 2), ("Oslo", 3), ("Bari", 4)])
    assert members_of([north, south], "Geo.Geo.city") == ("Bergen", "Rome", "Oslo", "Bari", None)
    assert members_of([south, north], "Geo.Geo.city", limit=2) == ("Bergen", "Rome")
    assert members_of([], "Geo.Geo.city") == ()


def test_where_data_cubes_disagree_on_a_sort_key_the_first_place_counts() -> None:
    """A member has one place in every answer, whichever data cubes hold it."""
    outline = keyed_outline()
    one = paths_of(outline, "Geo.Geo", [("Oslo", 1), ("Rome", 2)])
    other = paths_of(outline, "Geo.Geo", [("Oslo", 9)])
    assert members_of([one, other], "Geo.Geo.city") == members_of([other, one], "Geo.Geo.city") == ("Oslo", "Rome")
    assert together([one, other]).table.to_pydict() == {"Geo.Geo.city": ["Oslo", "Rome"], "#order Geo.Geo.city": [1, 2]}


def keyed_outline() -> Outline:
    """A cube whose cities are sorted by another column."""
    return an_outline(dimensions={"Geo": {"levels": {"city": {"column": "city", "order": {"by": "amount"}}}}})


PATHS = st.frozensets(st.tuples(st.sampled_from([*"abc", None]), st.sampled_from([*"xyz", None])))


@given(before=PATHS, after=PATHS)
def test_a_delta_makes_the_new_paths_of_the_old_ones(
    before: frozenset[tuple[object, ...]], after: frozenset[tuple[object, ...]]
) -> None:
    """AA13: what travels after a commit is what came and what left, missing members included."""
    outline = an_outline_once()
    old, new = paths_of(outline, "Geo.Geo", before), paths_of(outline, "Geo.Geo", after)
    delta = old.delta(new)
    assert rows_of(delta.came) == after - before
    assert rows_of(delta.left) == before - after
    assert rows_of(old.advanced(delta).table) == after
    assert len(old.advanced(delta)) == len(after)


_OUTLINES: list[Outline] = []


def an_outline_once() -> Outline:
    """The same outline for every example."""
    if not _OUTLINES:
        _OUTLINES.append(an_outline())
    return _OUTLINES[0]


def rows_of(table: pa.Table) -> frozenset[tuple[object, ...]]:
    """The rows of a table."""
    return frozenset(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_a_delta_over_other_paths_is_refused() -> None:
    """What was lost on the way is noticed, and everything is read again."""
    outline = an_outline()
    known = paths_of(outline, "Geo.Geo", [("N", "Oslo")])
    nothing = known.table.slice(0, 0)
    with pytest.raises(WrongPathsError, match="came that is there already"):
        known.advanced(PathsDelta(known.table, nothing))
    with pytest.raises(WrongPathsError):
        known.advanced(PathsDelta(nothing, paths_of(outline, "Geo.Geo", [("N", "Rome")]).table))


def test_what_are_no_paths_of_a_hierarchy_is_refused() -> None:
    """A node of another model, or none at all, is told from one."""
    levels = path_levels(an_outline().hierarchy["Geo.Geo"])
    with pytest.raises(WrongPathsError):
        Paths.read(levels, [pa.table({"Geo.Geo.region": ["N"]})])
    with pytest.raises(WrongPathsError):
        Paths.read(levels, [pa.table({"Geo.Geo.region": ["N"], "Geo.Geo.city": [[1]]})])


def test_a_hundred_thousand_members_stay_in_columns() -> None:
    """AA14: of a large hierarchy no Python object is made per member but of those that are listed."""
    outline = an_outline()
    levels = path_levels(outline.hierarchy["Geo.Geo"])
    regions, cities = [f"r{i % 100}" for i in range(100_000)], [f"c{i}" for i in range(100_000)]
    table = pa.table({"Geo.Geo.region": regions, "Geo.Geo.city": cities})
    halves = [Paths.read(levels, [table.slice(0, 60_000)]), Paths.read(levels, [table.slice(40_000)])]
    assert [len(each) for each in halves] == [60_000, 60_000]
    assert len(together(halves)) == 100_000
    assert halves[0].size < 2_000_000
    assert members_of(halves, "Geo.Geo.city", "c9999", 3) == ("c9999", "c99990", "c99991")
    later = Paths.read(levels, [table.slice(1, 60_000)])
    assert len(halves[0].delta(later)) == 2
    assert len(halves[0].advanced(halves[0].delta(later))) == 60_000


def test_a_topology_lists_the_members_of_all_data_cubes_of_applications_that_know_a_level() -> None:
    """Commits of one data cube do not touch what is kept of another one."""
    outline = an_outline()
    topology = Topology.of("world", {"app": ["region"]})
    for node, region in (("a", "N"), ("b", "S"), ("c", "W")):
        joined = topology.joined(a_contribution(node, outline, {"Geo.Geo": [(region, "x")]}))
        assert isinstance(joined, Topology)
        topology = joined
    assert topology.members("Geo.Geo.region", limit=2) == ("N", "S")
    assert topology.members("Geo.Geo.city") == ("x",)
    assert topology.members("No.Such.level") == ()
    assert topology.paths("Geo.Geo") is topology.paths("Geo.Geo")
