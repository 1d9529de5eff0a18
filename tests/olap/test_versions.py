"""Answers of one version each: the newest or one that is kept, while commits go on, compared with plain Python."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app_framework.database import Condition, Database, DatabaseLimits, Delete, Insert, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.errors import UnknownVersionError

KEPT = 4
TABLES = [
    Table("sales", columns={"item": "text", "shop": "int", "n": "int"}),
    Table("shop", columns={"id": "int", "city": "text"}, key="id"),
]
SALES = CubeDefinition.of(
    "sales",
    base="sales",
    dimensions={
        "Item": ["item"],
        "Shop": [{"city": "shop.city"}],
        "Size": {"levels": {"big": "n > 3"}, "slicing": False},
    },
    measures={"lines": {"count": "*"}, "total": {"sum": "n"}},
)
LIMITS = DatabaseLimits(versions_kept=KEPT)
Sale = tuple[str | None, int | None, int]
Shops = dict[int, str | None]


def opened(path: str | Path = ":memory:") -> Database:
    return Database.open(path, tables=TABLES, references=["sales.shop -> shop.id"], limits=LIMITS)


def answer(cube: Cube, version: int | None = None) -> list[tuple[object, ...]]:
    """Return the cells by item and city."""
    query = CubeQuery(measures=["lines", "total"], levels=["item", "city"], totals="all", version=version)
    cells = cube.query_sync(query)
    assert version is None or cells.versions == {cube.node: version}
    return [(*row, bits) for row, bits in zip(cells.rows, cells.grouping, strict=True)]


def expected(sales: list[Sale], shops: Shops) -> list[tuple[object, ...]]:
    """Return the same cells, computed in plain Python."""
    cells: dict[tuple[int, str | None, str | None], list[int]] = {}
    for item, shop, n in sales:
        city = shops.get(shop) if shop is not None else None
        for key in ((0, item, city), (2, item, None), (3, None, None)):
            lines = cells.setdefault(key, [0, 0])
            lines[0] += 1
            lines[1] += n
    cells.setdefault((3, None, None), [0, 0])
    ordered = sorted(cells.items(), key=lambda cell: (cell[0][0], *((m is None, m or "") for m in cell[0][1:])))
    return [(item, city, count, total if count else None, bits) for (bits, item, city), (count, total) in ordered]


class VersionsMachine(RuleBasedStateMachine):
    """Commits, reads of every kept version and restarts, beside a model that keeps copies."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.sales: list[Sale] = []
        self.shops: Shops = {}
        self.versions: dict[int, tuple[list[Sale], Shops]] = {}
        self.open()
        self.keep(self.database.version)

    def open(self) -> None:
        self.database = opened(Path(self.folder.name) / "d.duckdb")
        self.cube = Cube.of(SALES, self.database)

    def keep(self, version: int) -> None:
        assert version not in self.versions
        assert all(version > older for older in self.versions)
        self.versions[version] = (list(self.sales), dict(self.shops))

    @rule(sales=st.lists(st.tuples(st.sampled_from(["tea", "cup", None]), st.sampled_from([1, 2, None]),
                                   st.integers(-5, 5)), min_size=1, max_size=4))  # fmt: skip
    def sell(self, sales: list[Sale]) -> None:
        rows = [dict(zip(("item", "shop", "n"), sale, strict=True)) for sale in sales]
        self.sales += sales
        self.keep(self.database.commit([Insert("sales", rows)]).version)

    @rule(shops=st.dictionaries(st.integers(1, 3), st.sampled_from(["Graz", "Linz", None]), min_size=1))
    def name_shops(self, shops: Shops) -> None:
        self.shops |= shops
        rows = [{"id": id_, "city": city} for id_, city in shops.items()]
        self.keep(self.database.commit([Insert("shop", rows)]).version)

    @rule(n=st.integers(-5, 5), id_=st.integers(1, 3))
    def forget(self, n: int, id_: int) -> None:
        changes = [Delete("sales", Condition("n < ?", [n])), Delete("shop", Condition("id = ?", [id_]))]
        gone = ([sale for sale in self.sales if sale[2] < n], [id_] if id_ in self.shops else [])
        self.sales = [sale for sale in self.sales if sale[2] >= n]
        self.shops.pop(id_, None)
        commit = self.database.commit(changes)
        assert commit.rows == (len(gone[0]), len(gone[1]))
        if any(commit.rows):
            self.keep(commit.version)

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.open()

    @precondition(lambda self: hasattr(self, "versions"))
    @invariant()
    def every_kept_version_is_what_it_was(self) -> None:
        kept = sorted(self.versions)[-KEPT:]
        assert self.database.versions == tuple(kept)
        for version in kept:
            assert answer(self.cube, version) == expected(*self.versions[version])
        assert answer(self.cube) == expected(self.sales, self.shops)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


TestVersions = VersionsMachine.TestCase
TestVersions.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)


@pytest.fixture
def database() -> Iterator[Database]:
    with opened() as database:
        yield database


def test_eight_readers_beside_a_writer_see_whole_versions_only(database: Database) -> None:
    """Each commit writes twelve lines of one number and moves the shop along: whoever sees a mixture saw it torn."""
    cube = Cube.of(SALES, database)
    torn: list[object] = []
    seen: set[int] = set()
    done = threading.Event()
    made: dict[int, int] = {database.version: 0}

    def read() -> None:
        while not done.is_set():
            cells = cube.query_sync(CubeQuery(measures=["lines", "total"], levels=["city"]))
            (version,) = cells.versions.values()
            seen.add(version)
            rows = [row for row in cells.rows if row != (None, 0, None)]
            n = int(str(rows[0][0])) if rows else 0
            if rows not in ([], [(str(n), 12 * n, 12 * sum(range(n + 1)))]):
                torn.append((version, rows))
            elif made.get(version, n) != n:
                torn.append((version, rows, made[version]))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for n in range(1, 60):
        sales = [{"item": f"i{i}", "shop": 1, "n": n} for i in range(12)]
        made[database.commit([Insert("sales", sales), Insert("shop", [{"id": 1, "city": str(n)}])]).version] = n
    done.set()
    for reader in readers:
        reader.join()
    assert not torn
    assert len(seen) > 1


def test_the_plain_statement_is_asked_of_the_newest_version_only(database: Database) -> None:
    """Whether rows were ever replaced or not: only an older version reads the past."""
    cube = Cube.of(SALES, database)
    query = CubeQuery(measures=["total"])
    before = cube.query_sync(query).versions
    database.commit([Insert("shop", [{"id": 1}])])
    database.commit([Insert("sales", [{"shop": 1, "n": 2}]), Insert("shop", [{"id": 1, "city": "Graz"}])])
    assert cube.query_sync(query).rows == [(2,)]
    assert cube.query_sync(CubeQuery(measures=["total"], version=before)).rows == [(None,)]


@pytest.mark.parametrize(
    ("version", "told"), [(1, "version 1 is not kept by node 'local'"), ({"node-b": 1}, "no data of a node 'node-b'")]
)
def test_a_version_that_is_not_kept_is_refused(database: Database, version: object, told: str) -> None:
    with pytest.raises(UnknownVersionError, match=told):
        Cube.of(SALES, database).query_sync(CubeQuery(measures=["total"], version=version))  # type: ignore[arg-type]
