"""What a cluster of three real nodes promises: it forms, hands over, survives its leader's death, loses nothing, idles.

Every figure is what somebody outside sees, so it holds the time between two looks (4 ms) and what the watchers
themselves take of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.cluster_nodes import (
    ClusterNode,
    Sight,
    Trio,
    Watcher,
    Writers,
    clear,
    numbers,
    watching,
    write,
)
from benchmarks.trials import Bound, Figure, Tell, Trials
from benchmarks.wire import get, post, request

WARM_UP_S = 0.5
"""So long everything is watched before something happens to it."""
SETTLE_S = 10.0
IDLE_S = 20.0
PAUSE_MAX_S = 0.5
"""A read that waits for an election waits for seconds; a busy scheduler takes a fraction of one."""
NONE_LOST = Bound(0, most=0)
"""A single one is a promise broken, however many trials went well."""
LIVENESS = get("/actuator/health/liveness")


def formation(trials: int, tell: Tell) -> Sequence[Figure]:
    """Three nodes are started together on empty folders: how long until they are a cluster, and a safe one."""
    working, after_up, safe = [], [], []
    for number in range(1, trials + 1):
        with Trio() as trio:
            up_s = _until_up(trio)
            trio.until_working()
            trio.until(lambda: write(trio.nodes["node3"], 1), "an acknowledged compare-and-set")
            working_s = time.monotonic()
            trio.until_safe()
            safe_s = time.monotonic()
        working.append(working_s - trio.started_s)
        after_up.append(max(0.0, working_s - up_s))
        safe.append(safe_s - trio.started_s)
        tell(
            f"formation {number}: {working[-1]:.2f} s, {after_up[-1]:.2f} s after the last is up, safe {safe[-1]:.2f} s"
        )
    return [
        Figure("Three nodes are a cluster: three ACTIVE, one leader, a write; from first exec", working, "s", Bound(8)),
        Figure("… from the last process being up", after_up, "s", Bound(3)),
        Figure("… and `tolerates` is 1; from first exec", safe, "s", Bound(15)),
    ]


def handover(trials: int, tell: Tell) -> Sequence[Figure]:
    """The leader is stopped with SIGTERM: how long nobody leads, as the followers see it."""
    gaps, from_signal, from_giving_back, unwritten, lost = [], [], [], [], []
    acknowledged = 0
    with Trio() as trio:
        trio.until_safe()
        for number in range(1, trials + 1):
            old = trio.leader()
            followers = [node for node in trio.nodes.values() if node is not old]
            trio.until(lambda: clear(followers[0]), "an empty list")  # noqa: B023
            with watching([old, *followers]) as watchers, Writers(followers) as writers:
                time.sleep(WARM_UP_S)
                signalled_s = time.monotonic()
                old.terminate()
                found = _until_followed(trio, old, [watchers[node.name] for node in followers], signalled_s)
                old.wait()
                stopped_s = time.monotonic()
                trio.until(lambda: writers.written_after(stopped_s), "a write after it")  # noqa: B023
            seen_s = max(sight.seen_s for sight in found)
            last_led_s = max(sight.asked_s for sight in watchers[old.name].sights if sight.state == "LEADER")
            gaps.append(max(_gap_s(watchers[node.name], old) for node in followers))
            from_signal.append(seen_s - signalled_s)
            from_giving_back.append(seen_s - last_led_s)
            unwritten.append(writers.longest_pause_s)
            old.start()
            trio.until_safe()
            lost.append(len(writers.acknowledged.keys() - _numbers(trio, old)))
            acknowledged += len(writers.acknowledged)
            tell(
                f"handover {number}: gap {gaps[-1]:.3f} s, {from_signal[-1]:.3f} s from SIGTERM,"
                f" writes pause {unwritten[-1]:.2f} s; lost {lost[-1]}"
            )
    return [
        Figure("The leader is stopped: without a leader, as the followers see it", gaps, "s", Bound(0.2)),
        Figure("… from its last look as leader to the next one on both", from_giving_back, "s", Bound(0.2)),
        Figure("… from SIGTERM to the next leader on both", from_signal),
        Figure("… longest pause of acknowledged writes", unwritten),
        Figure(f"… lost of {acknowledged:,} acknowledged writes", lost, "", NONE_LOST),
    ]


def node_death(trials: int, tell: Tell) -> Sequence[Figure]:
    """The leader's node is killed with -9; its servers end with it."""
    return _death("node", ClusterNode.kill, trials, tell)


def machine_death(trials: int, tell: Tell) -> Sequence[Figure]:
    """The leader's node and its servers are killed with -9 at once, as when a machine dies."""
    return _death("machine", ClusterNode.kill_machine, trials, tell)


def _death(what: str, kill: Callable[[ClusterNode], None], trials: int, tell: Tell) -> Sequence[Figure]:
    leaderless, reads, requests, unwritten, lost = [], [], [], [], []
    acknowledged = 0
    with Trio() as trio:
        trio.until_safe()
        for number in range(1, trials + 1):
            old = trio.leader()
            one, other = survivors = [node for node in trio.nodes.values() if node is not old]
            trio.until(lambda: clear(one), "an empty list")  # noqa: B023
            with watching(survivors) as watchers, Writers(survivors) as writers:
                _talk(one, other)
                time.sleep(WARM_UP_S)
                killed_s = time.monotonic()
                kill(old)
                found = _until_followed(trio, old, list(watchers.values()), killed_s)
                trio.until(lambda: writers.written_after(found[0].seen_s), "a write after it")  # noqa: B023
                paused_s = _talk_ended_s(one, other)
            leaderless.append(max(sight.seen_s for sight in found) - killed_s)
            reads.append(max(watcher.longest_pause_s for watcher in watchers.values()))
            requests.append(paused_s)
            unwritten.append(writers.longest_pause_s)
            old.start()
            trio.until_safe()
            lost.append(len(writers.acknowledged.keys() - _numbers(trio, old)))
            acknowledged += len(writers.acknowledged)
            tell(
                f"{what} {number}: leader after {leaderless[-1]:.2f} s, pauses: reads {reads[-1]:.3f} s,"
                f" requests {requests[-1]:.3f} s, writes {unwritten[-1]:.2f} s; lost {lost[-1]}"
            )
    return [
        Figure(f"The leader's {what} is killed with -9: next leader on both", leaderless, "s", Bound(10, most=15)),
        Figure("… longest pause of reads, `GET /api/cluster` on both", reads, "s", Bound(PAUSE_MAX_S)),
        Figure("… longest pause of messenger requests between both", requests, "s", Bound(PAUSE_MAX_S)),
        Figure("… longest pause of acknowledged writes", unwritten),
        Figure(f"… lost of {acknowledged:,} acknowledged writes", lost, "", NONE_LOST),
    ]


def idle(trials: int, tell: Tell) -> Sequence[Figure]:
    """Nobody asks anything: what the nodes and their servers take of a core. A fifth of the trials, each of 20 s."""
    whole, own = [], []
    with Trio() as trio:
        trio.until_safe()
        time.sleep(SETTLE_S)
        leader = trio.leader().name
        for number in range(1, max(1, trials // 5) + 1):
            before, started_s = _taken(trio), time.monotonic()
            time.sleep(IDLE_S)
            after, elapsed_s = _taken(trio), time.monotonic() - started_s
            shares = {
                name: [(now - then) / elapsed_s * 100 for now, then in zip(after[name], before[name], strict=True)]
                for name in trio.nodes
            }
            whole += [sum(share) for share in shares.values()]
            own += [share[0] for share in shares.values()]
            told = ", ".join(f"{name} {share[0]:.2f} % + servers {share[1]:.2f} %" for name, share in shares.items())
            tell(f"idle {number}, {leader} leads: {told}")
    return [
        Figure("Idle: share of a core, each node with its servers", whole, "%", Bound(2)),
        Figure("… the node's process alone", own, "%"),
    ]


TRIALS: Mapping[str, Trials] = {
    "formation": formation,
    "handover": handover,
    "node-death": node_death,
    "machine-death": machine_death,
    "idle": idle,
}


def _until_up(trio: Trio) -> float:
    """Wait until every node answers over HTTP, and return when the last one did first."""
    up_s: dict[str, float] = {}

    def all_answer() -> bool:
        for node in trio.nodes.values():
            if node.name not in up_s and node.answers(LIVENESS):
                up_s[node.name] = time.monotonic()
        return len(up_s) == len(trio.nodes)

    trio.until(all_answer, "an answer of every node")
    return max(up_s.values())


def _until_followed(trio: Trio, old: ClusterNode, watchers: Sequence[Watcher], since_s: float) -> list[Sight]:
    """Wait until watchers see another leader, and return the look of each."""

    def found() -> list[Sight | None]:
        return [
            watcher.first(lambda sight: sight.leader not in (None, old.name), after_s=since_s) for watcher in watchers
        ]

    trio.until(lambda: None not in found(), f"a leader after {old.name}")
    return [sight for sight in found() if sight is not None]


def _gap_s(watcher: Watcher, old: ClusterNode) -> float:
    """How long a follower was without a leader: from its last look at the old one to the first with another."""
    last_s = max(sight.asked_s for sight in watcher.sights if sight.leader == old.name)
    return min(sight.seen_s for sight in watcher.sights if sight.leader not in (None, old.name)) - last_s


def _talk(one: ClusterNode, other: ClusterNode) -> None:
    for asking, asked in ((one, other), (other, one)):
        answer = asking.ask(post("/benchmark/talk/begin", [asked.name]))
        assert answer.status == 200, answer.body


def _talk_ended_s(one: ClusterNode, other: ClusterNode) -> float:
    told = [each for node in (one, other) for each in node.told(request("POST", "/benchmark/talk/end")).values()]
    assert all(each["answers"] for each in told), "the nodes do not answer each other"
    return max(float(each["pause_s"]) for each in told)


def _numbers(trio: Trio, node: ClusterNode) -> set[int]:
    found: list[list[int]] = []

    def there() -> bool:
        read = numbers(node)
        found.extend([read] if read is not None else [])
        return bool(found)

    trio.until(there, "a read of the majority")
    return set(found[0])


def _taken(trio: Trio) -> dict[str, tuple[float, float]]:
    return {node.name: node.cpu_s() for node in trio.nodes.values()}
