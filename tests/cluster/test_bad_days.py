"""Bad days that need no process: disks that refuse, clocks that are wrong, calls that nobody should send."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app_framework.cluster.errors import (
    AnsweredError,
    ClusterDataError,
    NodeRefusedError,
    NoQuorumError,
    NotMemberError,
    StoreWriteError,
    UnknownDoorError,
    WrongSecretError,
)
from app_framework.cluster.identity import NodeFolder
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.peers import check_signature, signed
from app_framework.cluster.registry import KEY
from app_framework.cluster.snapshot import read_snapshot
from app_framework.errors import UserError
from app_framework.security.secret import ClusterSecret
from app_framework.testing.virtual_time import LoopClock, run_virtually
from tests.cluster.nodes import World, refused, world

Scenario = Callable[[World], Awaitable[None]]
ONE, OTHER = ClusterSecret("the secret of this cluster"), ClusterSecret("the secret of other people")


def run(folder: Path, scenario: Scenario) -> None:
    """Let a scenario happen in a world of its own."""

    async def within() -> None:
        async with world(folder) as nodes:
            await scenario(nodes)

    run_virtually(within)


class WrongClock(LoopClock):
    """A clock whose time of day is off.

    Args:
        minutes: how far.
    """

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self._off = timedelta(minutes=minutes)

    def now(self) -> datetime:
        """Return the wrong time."""
        return super().now() + self._off


# -- disks -------------------------------------------------------------------------------------------------------------


def test_a_store_without_room_acknowledges_nothing_and_keeps_everything(tmp_path: Path) -> None:
    """What is acknowledged is there after the next start, what was refused is not; with room it goes on."""

    async def scenario() -> None:
        store = LocalConsensusStore(tmp_path / "store.db")
        kept: set[str] = set()
        pages = store._db.execute("PRAGMA page_count").fetchone()[0] + 4
        store._db.execute(f"PRAGMA max_page_count = {pages}")

        async def write_until_refused() -> None:
            while True:
                key = f"row.{len(kept)}"
                await store.create(key, b"x" * 500)
                kept.add(key)

        with pytest.raises(StoreWriteError, match="nothing was acknowledged"):
            await write_until_refused()
        assert kept
        assert {entry.key for entry in await store.entries()} == kept
        await store.close()
        again = LocalConsensusStore(tmp_path / "store.db")
        assert {entry.key for entry in await again.entries()} == kept
        assert await again.create("more", b"x" * 500) > len(kept)
        await again.close()

    asyncio.run(scenario())


def test_a_founder_without_room_gives_up_the_lead_says_why_and_takes_it_again(tmp_path: Path) -> None:
    """The operation is refused in the disk's words, and so is readiness."""

    async def scenario(nodes: World) -> None:
        founder = await nodes.start("a")
        await nodes.start("b", bootstrap=False)
        session = founder.session
        assert session is not None

        def full() -> None:
            raise StoreWriteError("the node's own SQLite", "database or disk is full")

        session.me.local.gate = full
        error = await refused(founder.register(nodes.url("b")))
        assert "cannot be written: database or disk is full" in str(error)
        await nodes.until(lambda: founder.view().leader_id is None)
        assert "cannot be written: database or disk is full" in str(founder.ready_reason())
        assert [each.id for each in founder.view().nodes] == ["a"]
        session.me.local.gate = None
        await nodes.until(lambda: founder.view().state == "LEADER")
        assert (await founder.register(nodes.url("b"))).id == "b"

    run(tmp_path, scenario)


def test_a_node_that_cannot_write_its_folder_follows_all_the_same(tmp_path: Path) -> None:
    """It hears of every change; the copy of the decisions follows when the folder can be written again."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        folder = tmp_path / "c"
        with unwritable(folder):
            await nodes.start("d", "a", wants="watcher")
            await nodes.until(lambda: nodes.agree(4))
        await nodes.agents["a"].deregister("d")
        await nodes.kill("d")
        await nodes.until(lambda: nodes.agree(3))
        newest = nodes.agents["c"].session
        assert newest is not None
        await nodes.until(lambda: b'"d"' not in registry_in(folder / "snapshot.json"), "the copy is whole")

    run(tmp_path, scenario)


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Nothing can be put in the place of a node's files, as on a full disk."""
    blocked = folder / "node.json.new"
    blocked.mkdir()
    try:
        yield
    finally:
        blocked.rmdir()


def registry_in(snapshot: Path) -> bytes:
    """Return the registry of a snapshot."""
    entry = read_snapshot(snapshot).entry(KEY)
    return entry.value if entry is not None else b""


def test_a_folder_that_cannot_be_written_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A file where the folder should be, as a mistake in app.data-dir has it."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ClusterDataError) as refusal:
        NodeFolder(tmp_path / "file" / "cluster")
    assert refusal.value.reason == "Not a directory"
    assert refusal.value.action == "Choose another app.data-dir, or make this one writable"


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [10, -10, 60 * 24 * 365])
def test_clocks_that_are_off_change_nothing(minutes: int, tmp_path: Path) -> None:
    """Such a node joins, votes, and leads when it is its turn; its decisions carry its own time."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.start("b", "a", clock=WrongClock(minutes))
        await nodes.start("c", "a", clock=WrongClock(-minutes // 2))
        await nodes.until(lambda: nodes.agree(3) and nodes.views()[0].tolerates == 1)
        await nodes.kill("a")
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert nodes.views()[0].term == 2
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(3))
        newest = nodes.agents["a"].decisions()[0]
        assert newest.term == 2, "the newest decision is the last one, whatever time it carries"

    run(tmp_path, scenario)


# -- calls that nobody should send -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"node": "ghost"},
        {"node": "ghost", "nonce": "1"},
        {"node": "ghost", "nonce": "1", "uid": "u", "url": "http://g:1", "route": "", "wants": "king"},
        {"node": "gh ost", "nonce": "1", "uid": "u", "url": "http://g:1", "route": "", "wants": "voter"},
        {"node": "ghost", "nonce": "1", "uid": "u", "url": "file:///etc", "route": "", "wants": "voter"},
        {"node": "ghost", "nonce": "1", "uid": "u", "url": "http://g:1", "route": 5, "wants": "voter"},
        {"node": "ghost", "nonce": "1", "uid": 5, "url": "http://g:1", "route": "", "wants": "voter"},
        {"node": "ghost", "nonce": "1", "uid": "u", "url": "http://g:1", "route": "", "wants": "voter", "cluster": 5},
    ],
)
def test_a_call_that_is_not_whole_makes_no_member(call: Mapping[str, object], tmp_path: Path) -> None:
    """A ghost would stay in the registry until somebody removes it."""

    async def scenario(nodes: World) -> None:
        founder = await nodes.start("a")
        with pytest.raises(UserError):
            await founder.peer_call("join", call)
        assert [each.id for each in founder.view().nodes] == ["a"]
        with pytest.raises(UnknownDoorError, match="nodes have no door 'dance'"):
            await founder.peer_call("dance", call)

    run(tmp_path, scenario)


def test_a_proof_counts_once_for_one_content_and_one_purpose() -> None:
    """What was changed on the way, signed with another secret or for another call, is refused."""
    call = signed({"node": "b"}, ONE, "join")
    check_signature(call, ONE, "join", "b")
    for changed, secret, purpose in (
        ({**call, "node": "c"}, ONE, "join"),
        ({**call, "proof": 5}, ONE, "join"),
        (call, OTHER, "join"),
        (call, ONE, "invite"),
        (call, None, "join"),
        (signed({"node": "b"}, None, "join"), ONE, "join"),
    ):
        with pytest.raises(WrongSecretError):
            check_signature(changed, secret, purpose, "b")


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        (None, ONE, "it does not hold this cluster's secret. Give it the same cluster.secret as the other nodes"),
        (OTHER, ONE, "it does not hold this cluster's secret. Give it the same cluster.secret as the other nodes"),
        (ONE, None, "it has a cluster.secret, and this cluster has none. Give all nodes the same one, or none"),
    ],
)
def test_whoever_is_asked_finds_the_same_words(
    mine: ClusterSecret | None, theirs: ClusterSecret | None, words: str
) -> None:
    """The cluster that lets a node in, and the node that is invited, say the same about the node."""
    with pytest.raises(WrongSecretError) as asked:
        check_signature(signed({}, mine, "join"), theirs, "join", "b")
    with pytest.raises(WrongSecretError) as invited:
        check_signature(signed({}, theirs, "invite"), mine, "invite", "b", invited=True)
    assert str(asked.value) == str(invited.value) == f"node 'b' cannot join: {words}"


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_node_that_waits_to_be_registered_refuses_as_one(tmp_path: Path) -> None:
    """No door tells it to try again."""

    async def scenario(nodes: World) -> None:
        waiting = await nodes.start("w", bootstrap=False)
        for change in (waiting.register("http://b:1"), waiting.stop_node("b"), waiting.deregister("b")):
            error = await refused(change)
            assert isinstance(error, NotMemberError)
            assert error.retryable is False
        assert waiting.ready_reason() == "it waits to be registered at a member of a cluster"

    run(tmp_path, scenario)


def test_the_last_node_and_the_keeper_of_the_decisions_cannot_be_removed(tmp_path: Path) -> None:
    """They are told what to do instead, and nothing about joining."""

    async def scenario(nodes: World) -> None:
        founder = await nodes.start("a")
        second = await nodes.start("b", "a")
        for node in (founder, second):
            error = await refused(node.deregister("a"))
            assert str(error).startswith("node 'a' cannot be deregistered: it holds the cluster's decisions")
            assert not isinstance(error, NodeRefusedError)
        assert isinstance(await refused(second.deregister("a")), AnsweredError)

    run(tmp_path, scenario)


def test_without_the_founder_two_nodes_answer_no_quorum_within_the_command_timeout(tmp_path: Path) -> None:
    """Before and after the lease has run out, in words that hold no subject of ours."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        second = await nodes.start("b", "a")
        await nodes.kill("a")
        loop = asyncio.get_running_loop()
        for leader_known in (True, False):
            if not leader_known:
                await nodes.until(lambda: second.view().leader_id is None)
            began_s = loop.time()
            error = await refused(second.stop_node("b"))
            assert isinstance(error, NoQuorumError), repr(error)
            assert "af." not in str(error)
            assert loop.time() - began_s < 6
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(2))
        assert (await second.stop_node("b")).status == "INACTIVE"

    run(tmp_path, scenario)
