"""Which data cubes are let into a query cube, and what they are together (A5-A8, AA3, AA4, AA10)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.distribution import Concealment, Contribution, DataCubeId, Outline, Refusal, Topology
from app_framework.testing import GoldenFiles
from tests.distribution.published import SHOP_DIMENSIONS, SHOP_MEASURES, a_contribution, an_outline

APPLICATIONS = {"app": ["region"], "stock": []}
NORTH, SOUTH = [("N", "Oslo"), ("N", "Bergen")], [("S", "Rome"), (None, None)]


@pytest.fixture(scope="module")
def outline() -> Outline:
    """What the data cubes of the application publish."""
    return an_outline()


@pytest.fixture(scope="module")
def stock() -> Outline:
    """What the data cube of another application publishes."""
    return an_outline(
        dimensions={"Store": ["city"], "Item": ["item"]},
        measures={"pieces": {"sum": "amount"}, "lines": {"count": "*"}},
    )


def topology_of(*contributions: Contribution, data_overlap: bool = False) -> Topology:
    """The topology of a query cube that all of them were let into."""
    topology = Topology.of("world", APPLICATIONS, data_overlap=data_overlap)
    for each in contributions:
        joined = topology.joined(each)
        assert isinstance(joined, Topology), str(joined)
        topology = joined
    return topology


def refusal_of(known: Contribution, newcomer: Contribution) -> Refusal:
    """Why a data cube is not let in beside another one."""
    refusal = topology_of(known).joined(newcomer)
    assert isinstance(refusal, Refusal)
    return refusal


def test_data_cubes_that_divide_the_rows_are_one_application(outline: Outline) -> None:
    """A6: the members of a hierarchy are those of all data cubes."""
    topology = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH}), a_contribution("b", outline, {"Geo.Geo": SOUTH})
    )
    application = topology.applications["app"]
    assert application.levels == ("Geo.Geo.region",)
    assert [str(cube.id) for cube in application.cubes] == ["a/sales", "b/sales"]
    assert topology.members("Geo.Geo.region") == ("N", "S", None)
    assert topology.members("Geo.Geo.city", "O", 5) == ("Oslo",)
    assert topology.first("Geo.Geo.region") == "N"
    assert topology.first("Item.Item.item") is None
    assert len(topology.paths("Geo.Geo")) == 4


def test_a_query_cube_sees_the_union_of_its_applications(outline: Outline, stock: Outline) -> None:
    """AA2: what only one application knows is there, and what both know the same is there once."""
    topology = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH, "Item.Item": [("tea",)]}),
        a_contribution("s", stock, {"Item.Item": [("tea",), ("salt",)]}, application="stock"),
    )
    assert set(topology.outlines["app"].hierarchy) == {"Geo.Geo", "Item.Item"}
    assert set(topology.outlines["stock"].hierarchy) == {"Store.Store", "Item.Item"}
    assert topology.members("Item.Item.item") == ("salt", "tea")


def test_what_one_data_cube_conceals_is_absent_for_its_application(outline: Outline) -> None:
    """AA3: neither the names nor the members that another data cube of the application would show are there."""
    shy = an_outline(Concealment(hierarchies=["Item"], measures=["lines"]))
    topology = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH, "Item.Item": [("tea",)]}),
        a_contribution("b", shy, {"Geo.Geo": SOUTH}),
    )
    assert set(topology.outlines["app"].hierarchy) == {"Geo.Geo"}
    assert set(topology.outlines["app"].measure) == {"revenue"}
    assert topology.members("Item.Item.item") == ()
    assert topology.left(DataCubeId("b", "sales")).members("Item.Item.item") == ("tea",)


def test_a_commit_takes_the_place_of_what_was_known(outline: Outline) -> None:
    """AA13: a data cube that joins again brings its new members; others keep theirs."""
    first = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH}), a_contribution("b", outline, {"Geo.Geo": SOUTH})
    )
    later = first.joined(a_contribution("b", outline, {"Geo.Geo": [("S", "Rome"), ("W", "Lima")]}, version=2))
    assert isinstance(later, Topology)
    assert later.members("Geo.Geo.region") == ("N", "S", "W")
    assert first.members("Geo.Geo.region") == ("N", "S", None)
    assert later.contributions[DataCubeId("b", "sales")].version == 2


def test_a_commit_that_brings_a_member_of_another_data_cube_is_refused(outline: Outline) -> None:
    """AA4: a member can also become double later; the topology stays what it was."""
    known = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH}), a_contribution("b", outline, {"Geo.Geo": SOUTH})
    )
    refusal = known.joined(a_contribution("b", outline, {"Geo.Geo": [("N", "Oslo")]}, version=2))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "DUPLICATE_MEMBER"
    assert "member 'N'" in str(refusal)
    assert "'a/sales'" in str(refusal)


def test_members_may_overlap_where_the_query_cube_says_so(outline: Outline) -> None:
    """A15: with overlap the same member on two nodes is a replica."""
    topology = topology_of(
        a_contribution("a", outline, {"Geo.Geo": NORTH}, priority=1),
        a_contribution("b", outline, {"Geo.Geo": NORTH}),
        data_overlap=True,
    )
    assert topology.members("Geo.Geo.city") == ("Bergen", "Oslo")


def test_the_texts_of_refusals(outline: Outline, stock: Outline, golden: GoldenFiles) -> None:
    """AA4, AA10: every refusal names both sides and what to do."""
    known = a_contribution("a", outline, {"Geo.Geo": [*NORTH, *SOUTH, *((f"x{i}", "y") for i in range(9))]})
    other_measures = {"revenu": {"sum": "amount"}, "lines": {"count": "costs"}, "average": {"avg": "costs"}}
    wide = {"region": "varchar", "city": "int", "item": "varchar", "amount": "bigint", "costs": "int"}
    many = {**SHOP_MEASURES, **{f"m{i:02}": {"sum": f"amount + {i}"} for i in range(14)}}
    b = "b"
    newcomers: list[tuple[str, Contribution, Contribution]] = [
        ("other measures", known, a_contribution(b, an_outline(measures=other_measures))),
        ("other types", known, a_contribution(b, an_outline(columns=wide))),
        ("other hierarchies", known, a_contribution(b, an_outline(dimensions={"Geo": ["region"]}))),
        ("concealed and absent", a_contribution("a", an_outline(Concealment(measures=["lines"]))),
         a_contribution(b, an_outline(measures={"revenue": {"sum": "amount"}}))),
        ("many differences", known, a_contribution(b, an_outline(measures=many))),
        ("one double member", known, a_contribution(b, outline, {"Geo.Geo": [("S", "Rome"), ("W", "Lima")]})),
        ("many double members", known, a_contribution(b, outline, {"Geo.Geo": [(f"x{i}", "z") for i in range(9)]})),
        ("missing member", known, a_contribution(b, outline, {"Geo.Geo": [(None, "Rome")]})),
        ("second data cube", a_contribution("s", stock, application="stock"),
         a_contribution(b, stock, application="stock")),
        ("concealed level", known, a_contribution(b, an_outline(Concealment(hierarchies=["Geo"])))),
        ("unknown level", known, a_contribution(b, an_outline(dimensions={"Geo": [{"regions": "region"}]}))),
        ("ambiguous level", known,
         a_contribution(b, an_outline(dimensions={**SHOP_DIMENSIONS, "Other": [{"region": "item"}]}))),
        ("unknown application", known, a_contribution(b, outline, application="apps")),
        ("other meaning", known, a_contribution(b, an_outline(
            dimensions={"Item": [{"group": "region"}, "item"]}, measures={"revenue": {"sum": "costs"}},
         ), application="stock")),
        ("other case", known, a_contribution(b, an_outline(
            dimensions={"Store": ["city"]}, measures={"Revenue": {"sum": "costs"}}), application="stock")),
        ("level and measure", known, a_contribution(b, an_outline(
            dimensions={"Store": ["item"]}, measures={"City": {"sum": "costs"}}), application="stock")),
    ]  # fmt: skip
    told = [f"{title}\n{refusal_of(there, newcomer)}\n" for title, there, newcomer in newcomers]
    golden("refusals.txt", "\n".join(told))


@given(
    groups=st.lists(st.frozensets(st.integers(0, 40), max_size=4), max_size=4),
    with_stock=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_joining_makes_no_difference(
    outline: Outline, stock: Outline, groups: Sequence[frozenset[int]], with_stock: bool, order: object
) -> None:
    """Data cubes that fit each other make the same topology in any order, and leaving undoes joining."""
    taken: set[int] = set()
    contributions = []
    for number, group in enumerate(groups):
        rows = [(f"r{i}", f"c{i % 3}") for i in group - taken]
        taken |= group
        contributions.append(a_contribution(f"n{number}", outline, {"Geo.Geo": rows}))
    if with_stock:
        contributions.append(a_contribution("s", stock, application="stock"))
    shuffled = list(contributions)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = topology_of(*contributions), topology_of(*shuffled)
    assert one == other
    assert list(one.contributions) == list(other.contributions)
    assert one.outlines == other.outlines
    assert one.members("Geo.Geo.region") == other.members("Geo.Geo.region")
    if contributions:
        last = contributions[-1]
        assert one.left(last.id) == topology_of(*contributions[:-1])
