"""AA13, AA14: what a data cube holds is told as what changed since, and is what reading all of it would find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from app_framework.database import Database, Insert, Table
from app_framework.database.changes import Change
from app_framework.distribution.contribution import DataCubeId
from app_framework.distribution.errors import StaleDeltaError, TooManyMembersError
from app_framework.distribution.outlining import outline_of
from app_framework.distribution.publishing import Published, Publisher, read_published
from app_framework.olap import Cube, CubeDefinition
from app_framework.olap.deletion import delete_where
from app_framework.olap.partial import PartialAnswerer

TABLES = [
    Table("sales", columns={"item": "varchar", "city": "varchar", "n": "bigint"}),
    Table("items", columns={"item": "varchar", "kind": "varchar"}, key=["item"]),
]
DIMENSIONS = {"City": {"levels": ["city"]}, "Item": {"levels": ["items.kind", "item"]}}


class Held:
    """A data cube's publisher over a database, with what a query cube knows of it."""

    def __init__(self, database: Database, *, members_max: int = 1_000, deltas_kept: int = 16) -> None:
        definition = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures={"n": {"sum": "n"}})
        cube = Cube.of(definition, database)
        self.database = database
        self.make: Callable[[], Publisher] = lambda: Publisher(
            DataCubeId("a", "sales"),
            "app",
            outline_of(cube.model),
            cube.model,
            database,
            incarnation="run",
            members_max=members_max,
            deltas_kept=deltas_kept,
        )
        self.publisher = self.make()
        self.known: Published | None = None

    def read(self) -> Published:
        """Read what there is now."""
        return asyncio.run(self.publisher.read(1, {}, 0))

    def fetch(self, *, whole: bool = False) -> int:
        """Let a query cube fetch it, and return how many bytes came."""
        base = None if whole or self.known is None else self.known
        pieces = list(self.publisher.pieces(base.stamp if base else None))
        self.known = read_published(pieces, base.contribution if base else None, 1_000)
        return sum(map(len, pieces))

    def commit(self, *changes: Change) -> None:
        """Commit."""
        self.database.commit(list(changes))


def members(published: Published | None) -> dict[str, set[tuple[object, ...]]]:
    """Return the paths of each hierarchy."""
    assert published is not None
    return {
        name: set(zip(*paths.table.to_pydict().values(), strict=True))
        for name, paths in published.contribution.members.items()
    }


@pytest.fixture
def held() -> Held:
    database = Database.open(tables=TABLES, references=["sales.item -> items.item"])
    database.commit([Insert("items", [{"item": f"i{n}", "kind": f"k{n % 2}"} for n in range(4)])])
    return Held(database)


def sale(item: str, city: str) -> Insert:
    """Return a commit's row."""
    return Insert("sales", [{"item": item, "city": city, "n": 1}])


@pytest.mark.parametrize("seed", range(3))
def test_what_changed_is_what_reading_all_would_find(held: Held, seed: int) -> None:
    """AA13: rows come and leave, and the tables that they refer to change."""
    dice = Random(seed)
    held.read()
    held.fetch()
    sales, items = held.database.tables["sales"], held.database.tables["items"]
    for _ in range(25):
        item, city = f"i{dice.randrange(6)}", dice.choice(["Oslo", "Bari", "Faro"])
        changes: list[Change] = dice.sample(
            [
                sale(item, city),
                sale(item, city),
                delete_where(sales, {"city": city}),
                Insert("items", [{"item": f"x{dice.randrange(10**9)}", "kind": "new"}]),
                delete_where(items, {"item": item}),
            ],
            k=dice.randint(1, 2),
        )
        for change in changes:
            held.commit(change)
        held.read()
        if dice.random() < 0.6:
            held.fetch()
            everything = asyncio.run(held.make().read(1, {}, 0))
            assert members(held.known) == members(held.publisher.current) == members(everything)
            assert held.known is not None
            assert held.known.contribution.version == everything.contribution.version


def test_rows_that_come_are_all_that_is_read(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """AA14: a commit of new rows costs what its rows cost, however many there are already."""
    held.commit(sale("i1", "Oslo"))
    held.read()
    monkeypatch.setattr(PartialAnswerer, "answer", None)
    state = held.read().state
    held.commit(sale("i1", "Oslo"))
    assert held.read().state == state
    held.commit(sale("i1", "Bari"))
    assert held.read().state != state
    assert ("Bari",) in members(held.publisher.current)["City.City"]


def test_only_the_difference_travels(held: Held) -> None:
    """AA14: to who knows an earlier version that is remembered; all of it to anybody else."""
    held.commit(*(sale(f"i{n % 4}", f"city {n}") for n in range(500)))
    held.read()
    whole = held.fetch()
    held.commit(sale("i1", "Oslo"))
    held.read()
    assert held.fetch() < whole / 2
    earlier = held.known
    for number in range(20):
        held.commit(sale("i1", f"more {number}"))
        held.read()
    held.known = earlier
    assert held.fetch() > whole / 2
    assert members(held.known) == members(held.publisher.current)


def test_a_difference_to_something_else_is_refused(held: Held) -> None:
    """AA13: then all of it is asked for."""
    held.read()
    held.fetch()
    held.commit(sale("i1", "Oslo"))
    held.read()
    assert held.known is not None
    pieces = list(held.publisher.pieces(held.known.stamp))
    other = held.known.contribution.having({}, 1)
    with pytest.raises(StaleDeltaError):
        read_published(pieces, other, 1_000)


def test_too_many_members_name_their_hierarchy() -> None:
    """AA14: whether they come one after the other or were there."""
    database = Database.open(tables=TABLES, references=["sales.item -> items.item"])
    held = Held(database, members_max=2)
    held.commit(sale("i1", "Oslo"), sale("i1", "Bari"))
    held.read()
    held.commit(sale("i1", "Faro"))
    for publisher in (held.publisher, held.make()):
        with pytest.raises(TooManyMembersError, match=r"City\.City"):
            asyncio.run(publisher.read(1, {}, 0))
