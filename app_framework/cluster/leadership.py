"""When a node takes the lead, keeps it and loses it: a pure state machine.

Safety does not come from here: taking the lead and every decision are compare-and-sets of one document. What this
machine decides is patience. A voter takes the lead at once when it was given back or the leader's name is its own from
an earlier life; after `suspect_s` when it hears no pulse of the leader and finds its route gone; and after `ttl_s` when
the leader has not renewed its lease, whatever else it sees. No clocks are compared: a lease is over when its entry has
not changed for that long on this node's own monotonic scale.

>>> state = Leadership("b", "p1")
>>> state, effects = step(state, Observed(term=3, holder="a", nonce="p0", sequence=7, rank=0), now_s=100.0)
>>> state.state, effects
('FOLLOWER', ())
>>> state, effects = step(state, Tick(), now_s=102.6)
>>> effects
(Probe(node='a'),)
>>> state, effects = step(state, Probed("a", reachable=False), now_s=102.7)
>>> effects
(Take(reason='no pulse of a for 2.7 s, and its route is gone'),)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app_framework.cluster.view import NodeState


@dataclass(frozen=True, slots=True)
class LeaderRules:
    """How patient the nodes are.

    Args:
        ttl_s: a lease that was not renewed for this long is over; more than an election of JetStream takes (4 to 9 s).
        renew_s: how often the leader renews.
        suspect_s: without a pulse for this long the leader's route is looked at.
        stagger_s: by how much each further voter waits longer than the first.
        retry_s: between two attempts.
        margin_s: by how much the holder counts its own lease shorter than the others do.
    """

    ttl_s: float = 10.0
    renew_s: float = 3.0
    suspect_s: float = 2.5
    stagger_s: float = 0.4
    retry_s: float = 0.25
    margin_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Observed:
    """The registry as it was just read.

    Args:
        term: of the registry.
        holder: who leads; None when the lead was given back.
        nonce: of the holder's process.
        sequence: of its lease.
        rank: this node's place among those that may lead, 0 for the first; None when it may not.
        successor: who should take a lead that was given back.
        member: whether this node is a member.
    """

    term: int
    holder: str | None
    nonce: str
    sequence: int
    rank: int | None
    successor: str | None = None
    member: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """A pulse of a node that says that it leads in a term."""

    node: str
    term: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A node has said that it stops."""

    node: str


@dataclass(frozen=True, slots=True)
class Probed:
    """Whether the route of a node answered."""

    node: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The compare-and-set that takes or renews the lead was acknowledged; it was sent at `sent_s`."""

    term: int
    sequence: int
    sent_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt to take or renew did not get through; `conflict` when somebody else wrote."""

    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Observed | Heard | Gone | Probed | Confirmed | Failed | Tick


@dataclass(frozen=True, slots=True)
class Probe:
    """Look whether the route of the leader's messenger answers."""

    node: str


@dataclass(frozen=True, slots=True)
class Take:
    """Try to take the lead."""

    reason: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Renew the lease."""


@dataclass(frozen=True, slots=True)
class Lead:
    """This node leads from now on."""

    term: int


@dataclass(frozen=True, slots=True)
class Yield:
    """This node does not lead any more."""

    reason: str


Effect = Probe | Take | Renew | Lead | Yield


@dataclass(frozen=True, slots=True)
class Leadership:
    """What one node knows of the lead.

    Args:
        me: this node.
        nonce: of its process.
        rules: how patient it is.
    """

    me: str
    nonce: str
    rules: LeaderRules = LeaderRules()
    state: NodeState = "PASSIVE"
    term: int = 0
    holder: str | None = None
    holder_nonce: str = ""
    sequence: int = -1
    rank: int | None = None
    successor: str | None = None
    changed_s: float = 0.0
    heard_s: float = 0.0
    valid_until_s: float = 0.0
    asked_s: float = -1e9
    probed_s: float = -1e9
    busy: bool = False
    leaders_seen: int = 0

    @property
    def leads(self) -> bool:
        """Whether this node leads."""
        return self.state == "LEADER"

    def leader(self, now_s: float) -> str | None:
        """Return who leads as far as this node may believe: a lease that is over has no holder."""
        if self.state == "LEADER":
            return self.me
        if self.holder is None or self.holder == self.me:
            return None
        alive_s = max(self.changed_s, self.heard_s)
        return self.holder if now_s - alive_s < self.rules.ttl_s else None


def step(state: Leadership, event: Event, now_s: float) -> tuple[Leadership, tuple[Effect, ...]]:
    """Return the state after an event, and what is to be done about it."""
    match event:
        case Observed():
            return _observe(state, event, now_s)
        case Heard(node=node, term=term):
            if node == state.holder and term >= state.term:
                state = replace(state, heard_s=now_s)
                if state.state == "CANDIDATE" and not state.busy:
                    state = replace(state, state="FOLLOWER")
            return state, ()
        case Gone(node=node):
            if node == state.holder and not state.leads:
                over_s = now_s - state.rules.ttl_s
                state = replace(state, heard_s=over_s, changed_s=over_s)
            return state, ()
        case Probed(node=node, reachable=reachable):
            if reachable or node != state.holder or state.rank is None or not _may_ask(state, now_s):
                return state, ()
            silent_s = now_s - state.heard_s
            if silent_s < state.rules.suspect_s:
                return state, ()
            return _take(state, now_s, f"no pulse of {node} for {silent_s:.1f} s, and its route is gone")
        case Confirmed():
            return _confirm(state, event, now_s)
        case Failed(conflict=conflict):
            # After a conflict the registry is read again, and what it says decides.
            return replace(state, busy=False, asked_s=now_s - (state.rules.retry_s if conflict else 0)), ()
        case Tick():
            return _tick(state, now_s)


def _observe(state: Leadership, seen: Observed, now_s: float) -> tuple[Leadership, tuple[Effect, ...]]:
    before = state
    if seen.term < state.term or (seen.term == state.term and seen.sequence < state.sequence and seen.holder):
        return state, ()  # an older copy
    moved = (seen.term, seen.holder, seen.nonce) != (state.term, state.holder, state.holder_nonce)
    renewed = moved or seen.sequence != state.sequence
    mine = seen.holder == state.me and seen.nonce == state.nonce
    state = replace(
        state,
        term=seen.term,
        holder=seen.holder,
        holder_nonce=seen.nonce,
        sequence=seen.sequence,
        rank=seen.rank,
        successor=seen.successor,
        changed_s=now_s if renewed else state.changed_s,
        heard_s=now_s if moved else state.heard_s,
        leaders_seen=state.leaders_seen + (moved and seen.holder is not None),
    )
    effects: list[Effect] = []
    if before.leads and not mine:
        effects.append(Yield(f"{seen.holder or 'nobody'} leads in term {seen.term}"))
    if not seen.member:
        return replace(state, state="PASSIVE", busy=False), tuple(effects)
    if not mine:
        waiting = seen.holder is None or seen.holder == state.me
        state = replace(state, state="CANDIDATE" if waiting and seen.rank is not None else "FOLLOWER")
    elif state.state == "PASSIVE":
        state = replace(state, state="CANDIDATE")
    return state, tuple(effects)


def _confirm(state: Leadership, got: Confirmed, now_s: float) -> tuple[Leadership, tuple[Effect, ...]]:
    new = not state.leads
    state = replace(
        state,
        state="LEADER",
        term=got.term,
        holder=state.me,
        holder_nonce=state.nonce,
        sequence=got.sequence,
        changed_s=now_s,
        heard_s=now_s,
        valid_until_s=got.sent_s + state.rules.ttl_s - state.rules.margin_s,
        busy=False,
    )
    return state, ((Lead(got.term),) if new else ())


def _tick(state: Leadership, now_s: float) -> tuple[Leadership, tuple[Effect, ...]]:
    rules = state.rules
    if state.state == "PASSIVE":
        return state, ()
    if state.leads:
        if now_s >= state.valid_until_s:
            lost = replace(state, state="CANDIDATE", busy=False)
            return lost, (Yield(f"the lease could not be renewed for {rules.ttl_s - rules.margin_s:g} s"),)
        if not state.busy and now_s - state.asked_s >= rules.renew_s:
            return replace(state, busy=True, asked_s=now_s), (Renew(),)
        if not state.busy and now_s - state.changed_s >= rules.renew_s and now_s - state.asked_s >= rules.retry_s:
            return replace(state, busy=True, asked_s=now_s), (Renew(),)
        return state, ()
    if state.rank is None:
        return state, ()
    return _candidate(state, state.rank, now_s)


def _candidate(state: Leadership, rank: int, now_s: float) -> tuple[Leadership, tuple[Effect, ...]]:
    """A voter that does not lead: is it time?"""
    rules = state.rules
    if not _may_ask(state, now_s):
        return state, ()
    stagger_s = rank * rules.stagger_s
    if state.holder == state.me:
        return _take(state, now_s, "the lead was this node's before it was started again or lost the majority")
    if state.holder is None:
        first = state.successor in (state.me, None)
        if now_s - state.changed_s >= (0 if first and not stagger_s else 0 if first else rules.suspect_s + stagger_s):
            return _take(state, now_s, "the lead was given back" if state.term else "the cluster is new")
        return state, ()
    silent_s = now_s - max(state.changed_s, state.heard_s)
    if now_s - state.changed_s >= rules.ttl_s + stagger_s and silent_s >= 0:
        return _take(state, now_s, f"{state.holder} has not renewed its lease for {now_s - state.changed_s:.1f} s")
    suspicious = now_s - state.heard_s >= rules.suspect_s + stagger_s
    if suspicious and now_s - state.probed_s >= 2 * rules.retry_s:
        return replace(state, probed_s=now_s), (Probe(state.holder),)
    return state, ()


def _may_ask(state: Leadership, now_s: float) -> bool:
    return not state.busy and not state.leads and now_s - state.asked_s >= state.rules.retry_s


def _take(state: Leadership, now_s: float, reason: str) -> tuple[Leadership, tuple[Effect, ...]]:
    return replace(state, state="CANDIDATE", busy=True, asked_s=now_s), (Take(reason),)
