"""The cluster's document: what each command does to it, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.cluster.errors import ClusterDataError, NodeNameInUseError, NodeRefusedError, UnknownNodeError
from app_framework.cluster.registry import Command, Member, Registry, eligible


def founded() -> Registry:
    founder = Member("node1", "u1", "http://127.0.0.1:8080", "127.0.0.1:21000")
    return Registry.founded("Cluster", "c1", founder).led_by("node1", "p1")


def registered(registry: Registry, node: str, *, op_id: str | None = None, uid: str | None = None) -> Registry:
    port = 8080 + len(node)
    args = {
        "node": node,
        "uid": uid or f"u-{node}",
        "url": f"http://{node}:{port}",
        "route": f"{node}:1",
        "wants": "voter",
    }
    return registry.after(Command(op_id or f"register-{node}", "cluster_register", args))


def test_ja1_a_founder_is_the_leader_in_term_one_and_its_own_first_document() -> None:
    """State, role and status of a cluster of one, and the tag that it has before its first operation (R15)."""
    (document,) = founded().documents()
    assert document.as_json() == {
        "_id": "node1",
        "url": "http://127.0.0.1:8080",
        "role": "LEADER",
        "status": "ACTIVE",
        "tag": "?",
        "type": "voter",
        "epoch": 1,
    }


def test_r15_the_first_operation_gives_tags_to_all_and_later_nodes_get_the_next() -> None:
    """Tags supplement URLs; one that was given is never given again (R17)."""
    registry = registered(registered(founded(), "node2"), "node3")
    assert [each.tag for each in registry.documents()] == ["A", "B", "C"]
    without = registry.after(Command("x", "cluster_deregister", {"node": "node3"}))
    assert registered(without, "node4").existing("node4").tag == "D"


def test_ja11_registering_twice_changes_nothing_and_one_operation_is_applied_once() -> None:
    """Idempotent by node and by operation."""
    once = registered(founded(), "node2")
    again = registered(once, "node2", op_id="another")
    assert (again.members, again.epoch) == (once.members, once.epoch)
    assert registered(once, "node2") == once


def test_qa9_a_second_node_of_the_same_name_is_refused_and_told_who_has_it() -> None:
    """The folder's uid tells two nodes of one name apart."""
    with pytest.raises(NodeNameInUseError, match=r"the name belongs to the member at http://node2:8085"):
        registered(registered(founded(), "node2"), "node2", op_id="x", uid="somebody else")


def test_a_node_with_the_url_of_an_active_member_is_refused() -> None:
    """Two nodes cannot be reached at one URL."""
    args = {"node": "b", "uid": "u", "url": "http://127.0.0.1:8080", "route": "", "wants": "voter"}
    with pytest.raises(NodeRefusedError, match="give each node its own port"):
        founded().after(Command("x", "cluster_register", args))


def test_j23_a_node_is_stopped_by_url_and_by_id_and_an_unknown_one_is_refused() -> None:
    """INACTIVE at once; the error names the members."""
    registry = registered(founded(), "node2")
    for name in ("node2", "http://node2:8085", "http://node2:8085/"):
        assert registry.after(Command(name, "cluster_stop", {"node": name})).existing("node2").status == "INACTIVE"
    with pytest.raises(UnknownNodeError, match="its members are node1, node2"):
        registry.after(Command("x", "cluster_stop", {"node": "node9"}))


def test_j22_a_deregistered_node_is_gone_and_the_epoch_moves_on() -> None:
    """Every change of the members is a new routing epoch."""
    registry = registered(founded(), "node2")
    gone = registry.after(Command("x", "cluster_deregister", {"node": "http://node2:8085"}))
    assert [each.id for each in gone.members] == ["node1"]
    assert gone.epoch == registry.epoch + 1


def test_a_new_leader_has_a_later_term_and_is_the_only_one() -> None:
    """Exactly one role LEADER (JA2)."""
    registry = registered(founded(), "node2").led_by("node2", "p2")
    assert registry.term == 2
    assert [each.role for each in registry.documents()] == ["FOLLOWER", "LEADER"]


def test_watchers_and_witnesses_do_not_lead_and_stopped_nodes_are_the_last() -> None:
    """Only voters with data do, in the order of their tags; stopped ones that are back as well."""
    members = [
        Member("a", "1", "", "", votes=True, tag="C"),
        Member("b", "2", "", "", votes=True, tag="A"),
        Member("c", "3", "", "", votes=False, tag="B"),
        Member("d", "4", "", "", wants="witness", votes=True, tag="D"),
        Member("e", "5", "", "", votes=True, tag="0", stopped=True),
        Member("f", "6", "", "", votes=True, tag="E"),
    ]
    assert [each.id for each in eligible(members)] == ["b", "a", "f", "e"]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format":1}', b'{"format":1,"nodes":[]}', b"\xff"])
def test_something_else_in_its_place_is_refused_in_words(data: bytes) -> None:
    """A damaged document is not taken for an empty one."""
    with pytest.raises(ClusterDataError, match="it is not a registry"):
        Registry.from_bytes(data)


def test_a_document_of_a_newer_version_is_refused_in_words() -> None:
    """A node is upgraded, and does not guess."""
    with pytest.raises(ClusterDataError, match="a newer version wrote"):
        Registry.from_bytes(b'{"format":2}')


names = st.sampled_from(["node1", "node2", "node3", "node4"])
commands = st.one_of(
    st.tuples(st.just("cluster_register"), names),
    st.tuples(st.just("cluster_deregister"), names),
    st.tuples(st.just("cluster_stop"), names),
)


@given(st.lists(commands, max_size=12))
def test_whatever_happens_it_survives_being_stored_and_its_numbers_never_go_back(steps: list[tuple[str, str]]) -> None:
    """Round trip, unique tags, and an epoch that only grows."""
    registry = founded()
    for number, (kind, node) in enumerate(steps):
        before = registry
        try:
            if kind == "cluster_register":
                registry = registered(registry, node, op_id=str(number), uid="u1" if node == "node1" else None)
            else:
                registry = registry.after(Command(str(number), kind, {"node": node}))  # type: ignore[arg-type]
        except UnknownNodeError:
            continue
        assert registry.epoch >= before.epoch
        tags = [each.tag for each in registry.members]
        assert len(set(tags)) == len(tags)
        assert Registry.from_bytes(registry.as_bytes()) == registry
