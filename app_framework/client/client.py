"""A client that knows the cluster behind the node it was given, and goes on with another one when that is gone."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from datetime import time as time_of_day
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from app_framework.client.address import Address, may_follow
from app_framework.client.cluster import Cluster
from app_framework.client.cubes import Cubes
from app_framework.client.errors import AnswerLostError, UnreachableError, problem_error
from app_framework.client.routing import Answered, Ask, Begun, Event, Failed, Lose, Route, order, step
from app_framework.client.topology import Topology, TopologyCache

TIMEOUT_S = 30.0
CONNECT_S_MAX = 3.0
"""A node that does not take a connection this long is passed over."""

ATTEMPT_S_MIN = 1.0
TOPOLOGY_AGE_S_MAX = 60.0
EPOCH_HEADER = "X-Cluster-Epoch"
NOT_A_NODE = "NOT_A_NODE"
"""The code for an answer of something else that listens at the address."""


def connect(
    url: str,
    *,
    auth: tuple[str, str] | None = None,
    token: str | None = None,
    timeout_s: float = TIMEOUT_S,
    failover: bool = True,
    cache: TopologyCache | None = None,
) -> Client:
    """Connect to a node, and to the cluster behind it.

    Args:
        url: of any node, or ``host:port``; where it is gone, a node that was remembered from an earlier run will do.
        auth: user and password.
        token: a bearer token, in the place of `auth`.
        timeout_s: for one call, whatever it goes through.
        failover: whether to go on with another node when this one is gone.
        cache: where clusters are remembered; the user's cache folder unless set.

    Raises:
        AddressError: the URL is none.
        UnreachableError: no node answers.
        ProblemError: the node refuses, such as with ``UNAUTHENTICATED``.
    """
    client = Client(url, auth=auth, token=token, timeout_s=timeout_s, failover=failover, cache=cache)
    try:
        client.read_cluster()
    except BaseException:
        client.close()
        raise
    return client


class Client:
    """Asks the nodes of one cluster; may be used by several threads; close it, or use it as a context manager.

    Args:
        url: of any node.
        auth: user and password.
        token: a bearer token.
        timeout_s: for one call.
        failover: whether to go on with another node.
        cache: where clusters are remembered.
        transport: in the place of the network, for tests.

    Attributes:
        authorization: the header that says who asks; None for nobody.
        cluster: the membership.
        cubes: the cubes, by name.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        failover: bool = True,
        cache: TopologyCache | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        address = Address.of(url)
        if auth is None and address.user is not None:
            auth = address.user, address.password or ""
        if auth is not None and token is not None:
            raise ValueError("give auth or token, not both")
        self.authorization = _authorization(auth, token)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        # Nodes are spoken to directly: a proxy of the environment would not reach loopback addresses.
        self._http = httpx.Client(auth=auth, headers=headers, transport=transport, trust_env=False)
        self._first = self._current = address.url
        self._timeout_s = timeout_s
        self._failover = failover
        self._cache = cache or TopologyCache.of_user()
        self._topology = (self._cache.find(address.url) if failover else None) or Topology("", 0, ())
        self._read_at_s: float | None = None
        self._lock = threading.Lock()
        self.cluster = Cluster(self)
        self.cubes = Cubes(self)

    @property
    def url(self) -> str:
        """The node that is asked first."""
        return self._current

    @property
    def given_url(self) -> str:
        """The node that the client was given."""
        return self._first

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node that may be asked, in order."""
        if not self._failover:
            return (self._current,)
        known = order((*self._topology.urls, self._first), self._current)
        return tuple(url for url in known if url == self._first or may_follow(self._first, url))

    def get_federated_nodes(self) -> list[dict[str, Any]]:
        """Return the membership documents: ``_id``, ``url``, ``role``, ``status``, ``tag``, ``type``, ``epoch``."""
        nodes: list[dict[str, Any]] = self.cluster.status()["nodes"]
        return nodes

    def read_cluster(self) -> dict[str, Any]:
        """Return the body of `GET /api/cluster`, and learn from it who can be asked."""
        view = _json(self._request("GET", "/api/cluster", None, replaces=True))
        if not isinstance(view, dict) or "nodes" not in view:
            raise problem_error(self.url, 200, {"code": NOT_A_NODE, "detail": f"what answers at {self.url} is no node"})
        self._learn(Topology.of(view))
        return view

    def get_json(self, path: str, *, here: bool = False) -> Any:
        """Return the body of a GET; see `post`."""
        return _json(self._asked("GET", path, None, replaces=True, here=here))

    def post_json(self, path: str, body: object, *, replaces: bool = False, here: bool = False) -> Any:
        """Return the answer to a POST; see `post`."""
        return _json(self._post(path, body, replaces=replaces, here=here))

    def post(
        self,
        path: str,
        body: object,
        *,
        replaces: bool = False,
        accept: str | None = None,
        timeout_s: float | None = None,
        here: bool = False,
    ) -> bytes:
        """Return the answer to a POST.

        Args:
            path: at the node.
            body: sent as JSON; dates, times and decimals in it as text.
            replaces: whether it may be sent again when it may have arrived.
            accept: the media type that is wanted, where the node has several.
            timeout_s: for this call, where it may take longer than others.
            here: whether it is about the node that the client was given, and asked of no other.

        Raises:
            ProblemError: the node refuses.
            UnreachableError: no node answers.
            AnswerLostError: it was sent and the answer did not come.
        """
        return self._post(path, body, replaces=replaces, accept=accept, timeout_s=timeout_s, here=here).content

    def forget_topology(self) -> None:
        """Ask again who is in the cluster before the next request."""
        self._read_at_s = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        cluster = f" of {self._topology.cluster_id!r}" if self._topology.cluster_id else ""
        return f"<Client {self._current}{cluster}>"

    def _post(
        self,
        path: str,
        body: object,
        *,
        replaces: bool,
        accept: str | None = None,
        timeout_s: float | None = None,
        here: bool = False,
    ) -> httpx.Response:
        content = json.dumps(body, default=plain).encode()
        return self._asked("POST", path, content, replaces=replaces, accept=accept, timeout_s=timeout_s, here=here)

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        replaces: bool,
        accept: str | None = None,
        timeout_s: float | None = None,
        here: bool = False,
    ) -> httpx.Response:
        self._refresh()
        nodes = (self._first,) if here else self.nodes
        return self._request(method, path, body, nodes=nodes, replaces=replaces, accept=accept, timeout_s=timeout_s)

    def _refresh(self) -> None:
        """Before a request, where what is known is old; whether it works out is the request's to find."""
        age_s = time.monotonic() - self._read_at_s if self._read_at_s is not None else None
        if self._failover and (age_s is None or age_s > TOPOLOGY_AGE_S_MAX):
            self._read_at_s = time.monotonic()
            self.read_cluster()

    def _learn(self, topology: Topology) -> None:
        with self._lock:
            changed = topology != self._topology
            self._topology = topology
            self._read_at_s = time.monotonic()
        if changed and self._failover:
            self._cache.remember(topology)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        replaces: bool,
        nodes: Sequence[str] = (),
        accept: str | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Send a request to one node after the other, as `step` says."""
        deadline_s = time.monotonic() + max(self._timeout_s, timeout_s or 0.0)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Accept": accept} if accept is not None else {}
        route = Route(tuple(nodes) or self.nodes, replaces)
        happened: Event = Begun()
        answer: httpx.Response | None = None
        while True:
            following = step(route, happened)
            route, effect = following.route, following.effect
            if isinstance(effect, Ask) and (not route.tried or time.monotonic() < deadline_s):
                attempt_s = max(ATTEMPT_S_MIN, (deadline_s - time.monotonic()) / len(route.left))
                heard, happened = self._send(effect.url, method, path, body, headers, attempt_s)
                answer = heard if heard is not None else answer
            elif isinstance(effect, Lose):
                url, reason = route.tried[-1]
                raise AnswerLostError(f"{method} {url}{path}", reason)
            elif answer is not None:
                # Also where the others were silent: what one node said tells more than that.
                return self._delivered(answer, route)
            else:
                raise UnreachableError(route.tried)

    def _send(
        self, url: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[httpx.Response | None, Event]:
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S_MAX))
        try:
            answer = self._http.request(method, url + path, content=body, headers=headers, timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return None, Failed(url, _reason(error), sent=False)
        except httpx.HTTPError as error:
            return None, Failed(url, _reason(error), sent=True)
        if answer.is_success:
            return answer, Answered(url, answer.status_code)
        problem = _problem(answer)
        leader = problem.get("leader")
        return answer, Answered(
            url,
            answer.status_code,
            str(problem.get("code") or ""),
            str(problem.get("detail") or ""),
            leader if isinstance(leader, str) and may_follow(self._first, leader) else None,
        )

    def _delivered(self, answer: httpx.Response, route: Route) -> httpx.Response:
        """Return an answer, or raise the problem that it is; stay with the node that gave it."""
        problem = {} if answer.is_success else _problem(answer)
        epoch = answer.headers.get(EPOCH_HEADER) or problem.get("epoch") or 0
        if str(epoch).isdecimal() and int(epoch) > self._topology.epoch:
            self.forget_topology()
        if route.tried and answer.is_success:
            self._current = str(answer.request.url.copy_with(raw_path=b"")).rstrip("/")
            self.forget_topology()
        if not answer.is_success:
            raise problem_error(str(answer.request.url), answer.status_code, problem)
        return answer


def _authorization(auth: tuple[str, str] | None, token: str | None) -> str | None:
    if auth is not None:
        return f"Basic {b64encode(':'.join(auth).encode()).decode()}"
    return f"Bearer {token}" if token is not None else None


def _json(answer: httpx.Response) -> Any:
    """Return the body.

    Raises:
        ProblemError: it is no JSON, so what answers is no node.
    """
    try:
        return json.loads(answer.content)
    except ValueError:
        detail = f"{answer.request.url} answered something else than JSON: it is no node"
        raise problem_error(
            str(answer.request.url), answer.status_code, {"code": NOT_A_NODE, "detail": detail}
        ) from None


def plain(value: object) -> object:
    """Return a member as JSON writes it.

    Raises:
        TypeError: it is nothing that a question can hold.
    """
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise TypeError(f"a question cannot hold {value!r}")


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    """Return the body as a problem; of something that is none, such as a proxy's page, what is known."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if isinstance(document, dict) and "detail" in document:
        return document
    return {"detail": f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}, and not as a node"}


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return "nothing listens there" if "refused" in str(error).lower() else str(error) or "no connection"
    return str(error) or type(error).__name__
