"""A5, AA5: each member is asked of exactly one data cube, and one that cannot hold any of the rows is not asked."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from app_framework.distribution.routing import Asked, DistributingLevel, Holder, Routes, RoutingTable
from app_framework.olap.filter import AtPath, Between, Filter, In, NotIn, StartsWith

REGION = DistributingLevel("Place.Region.region", "Place.Region", 0, "region")
CITY = DistributingLevel("Place.Towns.city", "Place.Towns", 1, "city")


@dataclass(frozen=True)
class Where:
    """A condition as routing reads it."""

    name: str
    filter: Filter


def holder(id_: str, *members: object, masked: tuple[object, ...] = (), priority: int | None = None) -> Holder:
    """Return a data cube with regions."""
    return Holder(
        id_,
        f"node-{id_}",
        {REGION.name: frozenset(members)},
        {REGION.name: frozenset(masked)} if masked else {},
        priority,
    )


def table(*holders: Holder, overlap: bool = False) -> RoutingTable:
    """Return the table of data cubes that are divided by region."""
    return RoutingTable([REGION], holders, overlap=overlap)


def asked(routes: Routes) -> dict[str, set[object]]:
    """Return the members that each data cube is asked for."""
    return {each.id: set(each.members[REGION.name]) for each in routes.asked}


def by_region(filter_: Filter) -> list[Where]:
    """Return the conditions of a question with one filter."""
    return [Where(REGION.name, filter_)]


def test_only_those_that_hold_a_member_are_asked() -> None:
    """A5: whatever the form of the filter is."""
    north_south = table(holder("a", "north", "east"), holder("b", "south"), holder("c", None))
    everyone = {"a", "b", "c"}
    assert set(asked(north_south.route([], everyone))) == everyone
    assert asked(north_south.route(by_region(In(("south",))), everyone)) == {"b": {"south"}}
    assert asked(north_south.route(by_region(In((None, "east"))), everyone)) == {"a": {"east"}, "c": {None}}
    assert set(asked(north_south.route(by_region(NotIn(("south", None))), everyone))) == {"a"}
    assert set(asked(north_south.route(by_region(StartsWith("no")), everyone))) == {"a"}
    assert set(asked(north_south.route(by_region(Between("p", None)), everyone))) == {"b"}
    assert north_south.route(by_region(In(("west",))), everyone) == Routes()


def test_a_path_tells_the_member_of_the_level_that_it_reaches() -> None:
    """A5: a path that ends above the distributing level leaves it open."""
    towns = RoutingTable([CITY], [Holder(id_, id_, {CITY.name: frozenset([id_])}) for id_ in "ab"], overlap=False)
    deep = towns.route([Where("Place.Towns", AtPath((("x", "a"),)))], {"a", "b"})
    open_ = towns.route([Where("Place.Towns", AtPath((("x", "a"), ("y",))))], {"a", "b"})
    assert [each.id for each in deep.asked] == ["a"]
    assert [each.id for each in open_.asked] == ["a", "b"]


def test_one_that_cannot_be_asked_is_missing_with_the_members_that_are_wanted() -> None:
    """AA6: and only where it is needed."""
    both = table(holder("a", "north", "east"), holder("b", "south"))
    routes = both.route(by_region(In(("north", "south"))), {"b"})
    assert asked(routes) == {"b": {"south"}}
    assert [(each.node, each.members) for each in routes.lacking] == [("node-a", {REGION.name: frozenset(["north"])})]
    assert both.route(by_region(In(("south",))), {"b"}).lacking == ()


def test_one_of_which_nothing_is_known_is_always_missing() -> None:
    """AA6: what it holds may be anything."""
    unknown = table(holder("a", "north"), Holder("b", "node-b", None))
    assert [each.id for each in unknown.route(by_region(In(("north",))), {"a", "b"}).lacking] == ["b"]


def test_the_lower_priority_number_comes_first_then_the_one_with_less_to_do() -> None:
    """AA5: as the property says."""
    replicas = table(
        holder("a", "x", priority=2), holder("b", "x", priority=1), holder("c", "x", priority=1), overlap=True
    )
    everyone = {"a", "b", "c"}
    assert set(asked(replicas.route([], everyone, {"b": 3}))) == {"c"}
    assert set(asked(replicas.route([], everyone, {"c": 3}))) == {"b"}
    assert set(asked(replicas.route([], {"a"}))) == {"a"}
    assert {next(iter(asked(replicas.route([], everyone, turn=turn)))) for turn in range(4)} == {"b", "c"}


def test_without_priorities_the_one_with_the_fewest_members_comes_first() -> None:
    """AA5: it has the least to read."""
    assert asked(table(holder("a", "x", "y", "z"), holder("b", "x", "y"), overlap=True).route([], {"a", "b"})) == {
        "a": {"z"},
        "b": {"x", "y"},
    }


def test_a_masked_member_is_asked_of_the_other_one() -> None:
    """AA9: and of nobody where nobody else holds it."""
    masked = table(holder("a", "x", "y", masked=("x",)), holder("b", "x", "z", masked=("z",)), overlap=True)
    assert asked(masked.route([], {"a", "b"})) == {"a": {"y"}, "b": {"x"}}
    alone = table(holder("a", "x", "y", masked=("x",))).route([], {"a"})
    assert alone.asked[0].conditions == ((REGION.name, NotIn(("x",))),)


def test_what_two_hold_is_found_where_it_may_not_be() -> None:
    """AA4: on the branches of data cubes too."""
    found = table(holder("a", "x"), holder("b", "x", "y")).doubly_held
    assert found is not None
    level, member, (first, second) = found
    assert (level, member, first.id, second.id) == (REGION, "x", "a", "b")
    assert table(holder("a", "x"), holder("b", "x"), overlap=True).doubly_held is None


MEMBERS = st.sampled_from(["a", "b", "c", "d", "e", None])
FILTERS = st.one_of(
    st.none(),
    st.lists(MEMBERS, max_size=4).map(lambda listed: In(tuple(listed))),
    st.lists(MEMBERS, max_size=4).map(lambda listed: NotIn(tuple(listed))),
    st.sampled_from([StartsWith("a"), Between("b", "d"), Between(None, "c")]),
)
HOLDERS = st.lists(
    st.tuples(st.frozensets(MEMBERS), st.frozensets(MEMBERS, max_size=2), st.sampled_from([None, 1, 2])),
    min_size=1,
    max_size=4,
)


@given(HOLDERS, FILTERS, st.sets(st.sampled_from("0123")), st.sets(st.sampled_from("0123")), st.integers(0, 9))
def test_every_member_is_asked_once_or_missing(
    drawn: list[tuple[frozenset[object], frozenset[object], int | None]],
    filter_: Filter | None,
    usable: set[str],
    failing: set[str],
    turn: int,
) -> None:
    """AA5: also when those that were asked fail one after the other."""
    holders = [
        Holder(str(i), f"n{i}", {REGION.name: members}, {REGION.name: masked}, priority)
        for i, (members, masked, priority) in enumerate(drawn)
    ]
    routes = (replicas := RoutingTable([REGION], holders, overlap=True)).route(
        by_region(filter_) if filter_ else [], usable, turn=turn
    )
    final, lacking, waiting, dead = [], list(routes.lacking), list(routes.asked), set()
    while waiting:
        one = waiting.pop()
        if one.id not in failing:
            final.append(one)
            continue
        dead.add(one.id)
        again = replicas.reroute(one, usable - dead, turn=turn)
        waiting += again.asked
        lacking += again.lacking
    counted = [member for each in final for member in counts(each, replicas, filter_)]
    missing = [member for each in lacking for member in each.members[REGION.name]]
    shown = {member for members, masked, _ in drawn for member in members - masked if passes(member, filter_)}
    assert sorted(map(repr, [*counted, *missing])) == sorted(map(repr, shown))
    assert {each.id for each in final} <= usable - failing


def counts(ask: Asked, replicas: RoutingTable, filter_: Filter | None) -> set[object]:
    """Return the members whose rows a data cube counts when it is asked so."""
    held = (replicas.holders[ask.id].members or {})[REGION.name]
    said = [condition for _, condition in ask.conditions]
    return {m for m in held if passes(m, filter_) and all(passes(m, each) for each in said)}


def passes(member: object, filter_: Filter | None) -> bool:
    """Return whether a member passes a filter, found out member by member."""
    if isinstance(filter_, In):
        return member in filter_.members
    if isinstance(filter_, NotIn):
        return member not in filter_.members
    if isinstance(filter_, StartsWith):
        return isinstance(member, str) and member.startswith(filter_.prefix)
    if isinstance(filter_, Between):
        return isinstance(member, str) and (filter_.low or "") <= member <= (filter_.high or "~")  # type: ignore[operator]
    return True
