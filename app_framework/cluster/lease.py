"""The right to be the only one for a while, on any consensus store: leases with fencing tokens.

No clocks of two machines are compared. The holder counts its lease from before it sent the write, on its own monotonic
clock; others take it to be gone when its entry has not changed for as long on theirs. Whoever pauses may still believe
in a lease that is over, therefore the token: whatever the holder does carries it, and a receiver that has seen a larger
one refuses.

>>> import asyncio
>>> from app_framework.cluster.local_store import LocalConsensusStore
>>> async def take_turns() -> None:
...     store = LocalConsensusStore(None)
...     a, b = Lease(store, "lease.backup", "a"), Lease(store, "lease.backup", "b")
...     print(await a.acquire(), await b.acquire(), a.held, a.token)
...     await a.release()
...     print(await b.acquire(), b.token)
>>> asyncio.run(take_turns())
True False True 1
True 3
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app_framework.clock import Clock, SystemClock
from app_framework.cluster.errors import ConflictError, NoQuorumError, StoreMovedError, UnknownOutcomeError
from app_framework.cluster.store import ConsensusStore, Entry

TTL_S = 15.0
"""More than an election of the store takes (4 to 9 s), or a live holder loses its lease with every crash of a voter."""
MARGIN_S = 0.5
RENEWALS_PER_TTL = 3


class Lease:
    """One lease as one candidate sees it.

    Whoever runs it calls `acquire` now and then until it returns true, then `renew` every `renew_s`, and looks at
    `held` before everything that only the holder may do.

    Args:
        store: where everybody looks.
        key: of the lease's entry.
        holder: name of this candidate, for people.
        ttl_s: how long the lease lasts after the last renewal.
        margin_s: by how much the holder counts it shorter than the others, for clocks that do not run evenly.
        clock: where time comes from.

    Attributes:
        token: the fencing token, larger than every one before it; None without the lease.
        holder_seen: who had the lease when this candidate looked last; None for nobody.
    """

    def __init__(
        self,
        store: ConsensusStore,
        key: str,
        holder: str,
        *,
        ttl_s: float = TTL_S,
        margin_s: float = MARGIN_S,
        clock: Clock | None = None,
    ) -> None:
        if not 0 <= margin_s < ttl_s:
            raise ValueError(f"margin_s ({margin_s:g}) must be less than ttl_s ({ttl_s:g})")
        self.key = key
        self.holder = holder
        self.ttl_s = ttl_s
        self.margin_s = margin_s
        self.token: int | None = None
        self.holder_seen: str | None = None
        self._store = store
        self._clock = clock or SystemClock()
        self._nonce = ""
        self._revision = 0
        self._valid_until_s = 0.0
        self._foreign: tuple[int, float] = (0, 0.0)

    @property
    def held(self) -> bool:
        """Whether the lease is this candidate's, and sure to be nobody else's."""
        return self.token is not None and self._clock.monotonic_s() < self._valid_until_s

    @property
    def remaining_s(self) -> float:
        """How long it is held without another renewal."""
        return max(0.0, self._valid_until_s - self._clock.monotonic_s()) if self.token is not None else 0.0

    @property
    def renew_s(self) -> float:
        """How often it should be renewed."""
        return self.ttl_s / RENEWALS_PER_TTL

    async def acquire(self) -> bool:
        """Take the lease if it is free, given back, or its holder is gone; whether it is held now.

        Raises:
            NoQuorumError: the store cannot decide; ask again.
        """
        if self.token is not None:
            return await self.renew()
        entry = await self._store.get(self.key)
        if entry is not None and not self._may_take(entry):
            return False
        self._nonce = self._nonce or secrets.token_hex(8)
        sent_s = self._clock.monotonic_s()
        try:
            if entry is None:
                revision = await self._store.create(self.key, self._document(None), op_id=secrets.token_hex(8))
            else:
                revision = await self._store.update(
                    self.key, self._document(None), entry.revision, op_id=secrets.token_hex(8)
                )
        except ConflictError:
            return False
        except UnknownOutcomeError:
            return False  # the next look finds this nonce, or another
        self._hold(revision, revision, sent_s)
        return self.held

    async def renew(self) -> bool:
        """Write over the own revision; whether the lease is held now.

        A failure that says nothing about the lease is not the end of it; `held` ends by itself.

        Raises:
            NoQuorumError: the store cannot decide; ask again.
        """
        if self.token is None:
            return False
        sent_s = self._clock.monotonic_s()
        try:
            revision = await self._store.update(
                self.key, self._document(self.token), self._revision, op_id=secrets.token_hex(8)
            )
        except ConflictError:
            return await self._look_again()
        except UnknownOutcomeError:
            return self.held
        self._hold(self.token, revision, sent_s)
        return self.held

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait; without a store it ends by itself."""
        revision, nonce = self._revision, self._nonce
        if self.token is None:
            return
        self._lose()
        with suppress(NoQuorumError, StoreMovedError, UnknownOutcomeError):
            try:
                await self._store.delete(self.key, revision, op_id=secrets.token_hex(8))
            except ConflictError:
                entry = await self._store.get(self.key)
                if entry is not None and _read(entry.value).get("nonce") == nonce:  # a renewal that went unanswered
                    with suppress(ConflictError):
                        await self._store.delete(self.key, entry.revision, op_id=secrets.token_hex(8))

    def __repr__(self) -> str:
        state = f"held, token {self.token}, {self.remaining_s:.1f} s left" if self.held else "not held"
        return f"<Lease {self.key!r} by {self.holder!r}: {state}>"

    def _may_take(self, entry: Entry) -> bool:
        """Whether it is this candidate's own, or its holder has not stirred for the whole time on this clock."""
        document = _read(entry.value)
        self.holder_seen = str(document.get("holder", "")) or None
        if self._nonce and document.get("nonce") == self._nonce:
            return True
        now_s = self._clock.monotonic_s()
        if self._foreign[0] != entry.revision:
            self._foreign = entry.revision, now_s
        ttl_s = document.get("ttl_s")
        return now_s - self._foreign[1] >= (ttl_s if isinstance(ttl_s, int | float) else self.ttl_s)

    async def _look_again(self) -> bool:
        """After a conflict: a renewal that went unanswered may have been written after all."""
        entry = await self._store.get(self.key)
        if entry is not None and _read(entry.value).get("nonce") == self._nonce:
            if entry.revision == self._revision:
                return self.held
            self._revision = entry.revision
            return await self.renew()
        self._lose()
        return False

    def _hold(self, token: int, revision: int, sent_s: float) -> None:
        self.token, self._revision = token, revision
        self._valid_until_s = sent_s + self.ttl_s - self.margin_s
        self.holder_seen = self.holder

    def _lose(self) -> None:
        self.token, self._nonce, self._valid_until_s = None, "", 0.0

    def _document(self, token: int | None) -> bytes:
        """What others see; without a token the entry's revision is it."""
        document = {"holder": self.holder, "nonce": self._nonce, "ttl_s": self.ttl_s, "token": token}
        return json.dumps(document).encode()


def _read(value: bytes) -> Mapping[str, Any]:
    """An entry that is not ours to read is a holder that never renews."""
    try:
        document = json.loads(value)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
