"""Messengers without a server: a network in memory that several nodes of one process share.

It keeps what NATS keeps and loses what NATS loses: bytes only, no delivery inside `publish`, at most once, bounded
queues, no-responder answers. A test may delay, drop, duplicate, reorder, hold and split; the same seed does the same.

>>> async def talk() -> None:
...     network = MemoryNetwork()
...     async def show(message: Message) -> None:
...         print(message.data.decode())
...     subscription = await network.bus("b").subscribe("greetings", show)
...     await network.bus("a").publish("greetings", b"hello")
...     await subscription.unsubscribe()
>>> asyncio.run(talk())
hello
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from random import Random

from app_framework.messaging.bus import Message
from app_framework.messaging.memory_bus import MemoryBus, MemorySubscription, running_loop
from app_framework.messaging.memory_link import NO_FAULTS, Fate, Faults, Link, Passage
from app_framework.messaging.subject import (
    literal_prefix,
    words_match,
)

ANY_NODE = "*"
NO_RESPONDERS: Mapping[str, str] = {"Status": "503"}


class MemoryNetwork:
    """The server side that the buses of one process share, with the faults that a test wants.

    Args:
        seed: of the random choices: members of queue groups, faults, delays.
        message_bytes_max: the largest message, payload and headers together.
        transcript_max: how many passages are remembered.
    """

    def __init__(self, *, seed: int = 0, message_bytes_max: int = 1 << 20, transcript_max: int = 10_000) -> None:
        self.message_bytes_max = message_bytes_max
        self.interest_delay_s = 0.0
        self._random = Random(seed)  # noqa: S311 - a test's dice, not a secret
        self._transcript: deque[Passage] = deque(maxlen=transcript_max)
        self._lock = threading.RLock()
        self._interest: dict[str, list[MemorySubscription]] = {}
        self._buses: dict[str, list[MemoryBus]] = {}
        self._faults: dict[tuple[str, str], Faults] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._group_of: dict[str, int] = {}
        self._split = self._silent = False
        self._inboxes = itertools.count(1)

    def bus(self, name: str) -> MemoryBus:
        """Return a new connection of a node; faults hit all connections of that name."""
        bus = MemoryBus(self, name)
        with self._lock:
            self._buses.setdefault(name, []).append(bus)
        return bus

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names that have a connection."""
        return tuple(self._buses)

    @property
    def transcript(self) -> tuple[Passage, ...]:
        """The last messages and what became of them, the oldest first."""
        return tuple(self._transcript)

    def faults(
        self,
        a: str,
        b: str,
        *,
        delay_s: float | tuple[float, float] = 0.0,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        one_way: bool = False,
    ) -> None:
        """Say what happens to messages from now on; without any share or delay the link is whole again.

        Args:
            a: a node; ``*`` stands for every node that no narrower rule names.
            b: the other.
            delay_s: as in `Faults`, like the shares.
            drop: the share that is lost.
            duplicate: the share that arrives twice.
            reorder: the share that others overtake.
            one_way: only what `a` sends to `b`; else both directions.
        """
        faults = Faults(delay_s, drop, duplicate, reorder)
        with self._lock:
            for direction in _directions(a, b, one_way=one_way):
                self._faults[direction] = faults
                if faults == NO_FAULTS and ANY_NODE not in direction:
                    del self._faults[direction]

    def hold(self, a: str, b: str, *, one_way: bool = False) -> None:
        """Let messages between two nodes wait until `release`."""
        with self._lock:
            for direction in _directions(a, b, one_way=one_way):
                self._links.setdefault(direction, Link(self._lock)).is_held = True

    def release(self, a: str, b: str) -> None:
        """Let messages between two nodes go on, those that waited first and in their order."""
        with self._lock:
            for direction in _directions(a, b, one_way=False):
                for deliver in self._links.setdefault(direction, Link(self._lock)).release():
                    deliver()

    def forget(self, name: str) -> None:
        """Lose what is held on the way from and to a node, and let later messages pass: its process is gone."""
        with self._lock:
            for direction, link in self._links.items():
                if name in direction:
                    link.release()

    def split(self, *groups: Collection[str], silent: bool = False) -> None:
        """Cut the network: only nodes of the same group hear each other; those in no group are one more.

        Args:
            groups: names of nodes.
            silent: whether nobody notices: a request across waits for its deadline; else it finds no responders.
        """
        with self._lock:
            self._group_of = {name: number for number, group in enumerate(groups) for name in group}
            self._split, self._silent = bool(groups), silent

    def heal(self) -> None:
        """Undo `split`."""
        self.split()

    def disconnect(self, name: str) -> None:
        """Cut all connections of a node from the network; it keeps what it publishes until `reconnect`."""
        for bus in tuple(self._buses.get(name, ())):
            bus.disconnect()

    def reconnect(self, name: str) -> None:
        """Bring the connections of a node back; its subscriptions are as before."""
        for bus in tuple(self._buses.get(name, ())):
            bus.reconnect()

    def reaches(self, a: str, b: str) -> bool:
        """Whether what one node sends gets to another now: both are there, no split between them, nothing held."""
        there = all(any(bus.connected for bus in self._buses.get(name, ())) for name in (a, b))
        link = self._links.get((a, b))
        return there and (not self._split or self._together(a, b)) and not (link is not None and link.is_held)

    def __repr__(self) -> str:
        faults = f", {len(self._faults)} faulty directions" if self._faults else ""
        return f"<MemoryNetwork {', '.join(self._buses) or 'without nodes'}{faults}{', split' if self._split else ''}>"

    def _add(self, subscription: MemorySubscription) -> None:
        with self._lock:
            self._interest.setdefault(literal_prefix(subscription.subject), []).append(subscription)

    def _remove(self, subscription: MemorySubscription) -> None:
        with self._lock:
            prefix = literal_prefix(subscription.subject)
            there = self._interest.get(prefix, [])
            if subscription in there:
                there.remove(subscription)
            if not there:
                self._interest.pop(prefix, None)

    def _leave(self, bus: MemoryBus) -> None:
        with self._lock:
            buses = self._buses.get(bus.name, [])
            if bus in buses:
                buses.remove(bus)

    def _new_inbox(self) -> str:
        return f"_INBOX.{next(self._inboxes)}"

    def _route(self, sender: MemoryBus, message: Message) -> None:
        """Send a message to whoever is interested, or tell its sender that nobody is."""
        with self._lock:
            now_s = asyncio.get_running_loop().time()
            self._note(now_s, "sent", sender.name, "", message)
            receivers = self._receivers(sender, message.subject, now_s)
            for receiver in receivers:
                self._send(sender, receiver, message, now_s)
            if not receivers and message.reply:
                nobody = Message(message.reply, b"", NO_RESPONDERS)
                for receiver in self._receivers(sender, nobody.subject, now_s):
                    receiver.offer(nobody)

    def _receivers(self, sender: MemoryBus, subject: str, now_s: float) -> list[MemorySubscription]:
        plain: list[MemorySubscription] = []
        groups: dict[tuple[str, str], list[MemorySubscription]] = {}
        words = subject.split(".")
        for candidate in self._candidates(words):
            if not words_match(candidate.words, words) or not self._knows(sender, candidate, now_s):
                continue
            if candidate.queue:
                groups.setdefault((candidate.queue, candidate.subject), []).append(candidate)
            else:
                plain.append(candidate)
        plain.extend(self._random.choice(members) for members in groups.values())
        return plain

    def _candidates(self, words: list[str]) -> Iterator[MemorySubscription]:
        """Subscriptions are kept by the words before their first wildcard, so few need to be compared."""
        for length in range(len(words) + 1):
            yield from self._interest.get(".".join(words[:length]), ())

    def _knows(self, sender: MemoryBus, receiver: MemorySubscription, now_s: float) -> bool:
        if sender.name == receiver.bus.name:
            return receiver.bus.connected
        if not receiver.bus.connected or now_s < receiver.known_at_s:
            return False
        return not self._split or self._silent or self._together(sender.name, receiver.bus.name)

    def _together(self, a: str, b: str) -> bool:
        return self._group_of.get(a, -1) == self._group_of.get(b, -1)

    def _send(self, sender: MemoryBus, receiver: MemorySubscription, message: Message, now_s: float) -> None:
        a, b = sender.name, receiver.bus.name
        deliver = partial(self._deliver, a, receiver, message)
        link = self._links.get((a, b))
        faults = self._faults_between(a, b) if self._faults else NO_FAULTS
        if self._split and not self._together(a, b):
            self._note(now_s, "lost", a, b, message)
        elif faults is NO_FAULTS and (link is None or link.is_idle):
            deliver()
        elif faults.drop and self._random.random() < faults.drop:
            self._note(now_s, "dropped", a, b, message)
        else:
            link = link or self._links.setdefault((a, b), Link(self._lock))
            self._carry(link, deliver, faults, Passage(now_s, "sent", a, b, message.subject, len(message.data)))

    def _carry(self, link: Link, deliver: Callable[[], None], faults: Faults, passage: Passage) -> None:
        copies = 2 if faults.duplicate and self._random.random() < faults.duplicate else 1
        if copies == 2:
            self._transcript.append(_became(passage, "duplicated"))
        for _ in range(copies):
            if link.is_held:
                self._transcript.append(_became(passage, "held" if link.keep(deliver) else "lost"))
            elif faults.reorder and self._random.random() < faults.reorder:
                self._transcript.append(_became(passage, "reordered"))
                late_s = faults.delay(self._random) + 1e-3 + faults.delay(self._random)
                asyncio.get_running_loop().call_later(late_s, deliver)
            else:
                link.carry(deliver, faults.delay(self._random))

    def _faults_between(self, a: str, b: str) -> Faults:
        for rule in ((a, b), (a, ANY_NODE), (ANY_NODE, b), (ANY_NODE, ANY_NODE)):
            if rule in self._faults:
                return self._faults[rule]
        return NO_FAULTS

    def _deliver(self, sender: str, receiver: MemorySubscription, message: Message) -> None:
        """The last step: a message that was under way when a node left or a split came is lost."""
        loop = running_loop()
        now_s = loop.time() if loop is not None else time.monotonic()
        cut = self._split and not self._together(sender, receiver.bus.name)
        arrives = receiver.bus.connected and not cut
        self._note(now_s, "delivered" if arrives else "lost", sender, receiver.bus.name, message)
        if arrives:
            receiver.offer(message)

    def _note(self, time_s: float, fate: Fate, sender: str, receiver: str, message: Message) -> None:
        self._transcript.append(Passage(time_s, fate, sender, receiver, message.subject, len(message.data)))


def _directions(a: str, b: str, *, one_way: bool) -> tuple[tuple[str, str], ...]:
    return ((a, b),) if one_way or a == b else ((a, b), (b, a))


def _became(passage: Passage, fate: Fate) -> Passage:
    return Passage(passage.time_s, fate, passage.sender, passage.receiver, passage.subject, passage.size_bytes)
