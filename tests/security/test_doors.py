"""One table says which role each door needs, and no path slips through between its lines."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.security import (
    ANYONE,
    Authenticator,
    Door,
    Doors,
    ForbiddenError,
    Gate,
    Principal,
    Role,
    actuator_doors,
)
from app_framework.security.doors import READS, WEBSOCKET

READER, WRITER, ADMIN = Role

TABLE = [
    ("GET /cubes", READER),
    ("GET /cubes/tpch/members", READER),
    ("POST /cubes/query", READER),
    ("POST /cubes/tpch/query", READER),
    ("POST /cubes/tpch/explain", READER),
    ("POST /cubes/tpch/drillthrough", READER),
    ("WEBSOCKET /cubes/tpch/stream", READER),
    ("POST /cubes/tpch/distribution/stop", ADMIN),
    ("POST /database/tables/orders/rows", WRITER),
    ("POST /database/tables/orders/delete", WRITER),
    ("DELETE /database/branches/x", WRITER),
    ("PUT /databases/Spade/docs/users/1", WRITER),
    ("GET /databases/Spade/conflicts", READER),
    ("GET /databases", READER),
    ("POST /databases", ADMIN),
    ("POST /tables/entries/entries/k/cas", WRITER),
    ("GET /tables/_system._clusternodes/entries", READER),
    ("GET /api/cluster", READER),
    ("GET /api/cluster/decisions", READER),
    ("POST /api/cluster/register", ADMIN),
    ("POST /api/cluster/stop", ADMIN),
    ("POST /api/cluster/peer/join", ANYONE),
    ("GET /raft/rpc/status", READER),
    ("GET /actuator", ADMIN),
    ("GET /actuator/health", ANYONE),
    ("GET /actuator/health/readiness", ANYONE),
    ("POST /actuator/health", ADMIN),
    ("GET /actuator/info", READER),
    ("GET /actuator/env", ADMIN),
    ("POST /actuator/loggers/root", ADMIN),
    ("POST /actuator/shutdown", ADMIN),
    ("GET /studio", READER),
    ("GET /docs", READER),
    ("GET /", READER),
    ("WEBSOCKET /talk", WRITER),
    ("BREW /coffee", WRITER),
]


@pytest.mark.parametrize(("door", "needs"), TABLE)
def test_the_table(door: str, needs: object) -> None:
    """What reads needs a reader, what writes a writer, what changes the node an admin."""
    method, path = door.split()
    assert Doors().needs(method, path) is needs
    assert Doors().needs(method, f"{path.rstrip('/')}/") is needs
    assert Doors().needs(method, f"{path}\n") is needs


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", WEBSOCKET, "BREW"]), st.text(max_size=40))
def test_every_door_of_the_cluster_needs_an_admin_unless_it_reads(method: str, rest: str) -> None:
    """Whatever stands behind the prefix, but for the nodes' own door."""
    if not rest.startswith("peer"):
        assert Doors().needs(method, f"/api/cluster/{rest}") is (READER if method in READS else ADMIN)
        assert Doors().needs(method, f"/actuator/x{rest}") is ADMIN


@given(st.text(max_size=40))
def test_only_what_is_named_is_open(rest: str) -> None:
    """No path that merely looks like an open one."""
    assert Doors().needs("GET", f"/actuator/healthy{rest}") is ADMIN
    assert Doors().needs("POST", f"/api/cluster/peers{rest}") is ADMIN


def test_the_actuator_may_be_elsewhere() -> None:
    """At another path, or at the root, where each endpoint has its own door."""
    for base in ("/manage", "/a/b", ""):
        doors = Doors().with_actuator(actuator_doors(base, ["health", "env"], ["/livez"]))
        found = [doors.needs("GET", path) for path in (f"{base}/health/x", f"{base}/env/y", "/livez", "/cubes")]
        assert found == [ANYONE, ADMIN, ANYONE, READER]


def test_the_applications_own_doors_win() -> None:
    """The first that fits counts; the rest of the table holds, wherever the actuator is."""
    own = [Door("/*/public/**", ANYONE), Door("/tables/**", ADMIN, frozenset({"DELETE"}))]
    doors = Doors(own).with_actuator(actuator_doors("/manage", []))
    assert doors.needs("POST", "/x/public/a/b") is ANYONE
    assert doors.needs("POST", "/cubes/public/query") is ANYONE
    assert doors.needs("DELETE", "/tables/t/entries/1") is ADMIN
    assert doors.needs("PUT", "/tables/t/entries/1") is WRITER
    assert doors.needs("GET", "/manage/env") is ADMIN


@pytest.mark.parametrize("path", ["", "x", "x/y", "/a*", "/a//b", "/**/a", "/a/***", "/a/", "//", " /a"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """With the form that paths have."""
    with pytest.raises(ValueError, match="is not a path"):
        Door(path, READER)


def test_a_star_is_one_step_and_two_are_any_number() -> None:
    assert [Door("/a/*", READER).leads("GET", path) for path in ("/a", "/a/b", "/a/b/c")] == [False, True, False]
    assert [Door("/a/**", READER).leads("GET", path) for path in ("/a", "/a/b/c", "/ab")] == [True, True, False]
    assert Door("/", READER).leads("GET", "/")
    assert Door("/**", READER).leads("GET", "/x")


def test_roles_include_those_below_them() -> None:
    """And a role that does not exist is a mistake."""
    assert [Principal.of("x", [role]).roles for role in Role] == [
        {"reader"},
        {"reader", "writer"},
        {"reader", "writer", "admin"},
    ]
    assert Principal.of("x", []).roles == frozenset()
    with pytest.raises(ValueError, match="operator"):
        Principal.of("x", ["operator"])


def test_the_gate_says_what_is_missing() -> None:
    """Also to somebody without any role."""

    class Everybody(Authenticator):
        async def authenticate(self, authorization: bytes) -> Principal:
            return Principal("guest", frozenset())

    with pytest.raises(ForbiddenError) as caught:
        asyncio.run(Gate(Everybody()).admit("GET", "/cubes", b"x"))
    assert str(caught.value) == "GET /cubes needs the role 'reader', and 'guest' has none"
