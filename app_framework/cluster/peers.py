"""Calls to other nodes before there is a common messenger: over HTTP, signed with the cluster's secret.

A call carries a nonce and, when the cluster has a secret, a proof over its whole content; the answer carries a proof
over its own content and that nonce, so that both sides know that the other holds the secret, and nothing of an old call
can be used in a new one.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from app_framework.cluster.errors import (
    ConflictError,
    NodeNameInUseError,
    NodeRefusedError,
    NotLeaderError,
    PeerUnavailableError,
    UnreachableNodeError,
    WrongSecretError,
)
from app_framework.errors import ServiceUnavailableError, UserError
from app_framework.security.secret import ClusterSecret

Body = Mapping[str, Any]

ANSWER_BYTES_MAX = 4 * 1024 * 1024

_CORRECT = "Correct the URL; it is that of the node's HTTP server, such as http://localhost:8081"


class PeerDoors(Protocol):
    """How to reach another node by URL."""

    async def call(self, url: str, door: str, body: Body, *, timeout_s: float) -> Body:
        """Send a call to `POST /api/cluster/peer/{door}` and return the answer.

        Raises:
            UnreachableNodeError: nothing answers there, or not as a node.
            UserError: the node refuses.
            ServiceUnavailableError: the node cannot answer now.
        """

    async def close(self) -> None:
        """Close connections."""


class HttpPeers:
    """Reaches other nodes over HTTP; connections are made for each call, which are few."""

    async def call(self, url: str, door: str, body: Body, *, timeout_s: float) -> Body:
        """Send a call; see `PeerDoors`."""
        import httpx

        try:
            async with asyncio.timeout(timeout_s):
                status, answer = await self._posted(url, door, body, timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            raise UnreachableNodeError(url, *_what_happened(error)) from error
        try:
            content = json.loads(answer)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise UnreachableNodeError(url, f"something else answers there ({status})", _CORRECT)
        if status == 200:
            return content
        raise refusal(url, status, content)

    async def _posted(self, url: str, door: str, body: Body, timeout_s: float) -> tuple[int, bytes]:
        """Send it, and read the answer as far as an answer may go."""
        import httpx

        target = f"{url.rstrip('/')}/api/cluster/peer/{door}"
        # Loading the certificates takes 16 ms; plain HTTP needs none, and redirects are not followed.
        verify, received = target.startswith("https:"), bytearray()
        async with (
            httpx.AsyncClient(timeout=timeout_s, trust_env=False, verify=verify) as client,
            client.stream("POST", target, json=dict(body)) as answer,
        ):
            async for part in answer.aiter_bytes():
                received += part
                if len(received) > ANSWER_BYTES_MAX:
                    raise UnreachableNodeError(url, "its answer is too large", _CORRECT)
            return answer.status_code, bytes(received)

    async def close(self) -> None:
        """Nothing is kept open."""

    def __repr__(self) -> str:
        return "<HttpPeers>"


class PeerRefusedError(NodeRefusedError):
    """Another node refused a call of this one, in its own words."""

    def __init__(self, url: str, code: str, detail: str) -> None:
        super().__init__(url, detail)
        self.code = code

    def __str__(self) -> str:
        return self.reason


def refusal(url: str, status: int, problem: Body) -> Exception:
    """Return the error that another node's problem stands for."""
    code, detail = str(problem.get("code", "")), str(problem.get("detail", "") or f"status {status}")
    if code == "NOT_LEADER":
        leader = problem.get("leader")
        return NotLeaderError(str(leader) if leader else None)
    if status == 404 and code == "NOT_FOUND":
        return UnreachableNodeError(url, "the node that answers there has no cluster section")
    if status >= 500 or status == 429:
        return PeerUnavailableError(url, code or "UNAVAILABLE", detail)
    return PeerRefusedError(url, code or "CONFLICT", detail)


def signed(body: Body, secret: ClusterSecret | None, purpose: str, nonce: str = "") -> dict[str, Any]:
    """Return a body with a nonce and, where there is a secret, the proof that its sender holds it."""
    content = {key: value for key, value in body.items() if key != "proof"}
    content.setdefault("nonce", nonce or secrets.token_hex(16))
    if secret is not None:
        content["proof"] = secret.proof(purpose, _canonical(content))
    return content


def check_signature(
    body: Body, secret: ClusterSecret | None, purpose: str, node: str, *, invited: bool = False
) -> None:
    """Refuse a body whose sender does not hold the secret.

    Args:
        body: what came.
        secret: of the node that checks.
        purpose: of the call.
        node: which one would join; the error names it.
        invited: whether the node that checks is the one that would join.

    Raises:
        WrongSecretError: there is no proof, a wrong one, or one where no secret is configured.
    """
    proof = body.get("proof")
    if secret is None:
        if proof is not None:
            raise WrongSecretError(node, cluster_has_one=invited)
        return
    content = {key: value for key, value in body.items() if key != "proof"}
    if not isinstance(proof, str) or not hmac.compare_digest(proof, secret.proof(purpose, _canonical(content))):
        raise WrongSecretError(node, cluster_has_one=not invited or proof is not None)


def _canonical(content: Body) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _what_happened(error: Exception) -> tuple[str, str]:
    """Return what was wrong with the way to a node, and what to do about it."""
    import httpx

    text = str(error)
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return "it does not answer in time", "Check the URL, and that the node there is not stuck"
    if isinstance(error, httpx.ConnectError):
        if "SSL" in text:
            return "it does not speak https", _CORRECT
        if "Name or service" in text or "getaddrinfo" in text or "resolution" in text:
            return "nobody knows its host", _CORRECT
        return "nothing listens there", "Start it first, then register its URL"
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return "what listens there is no node", _CORRECT
    return text or type(error).__name__, _CORRECT


def is_final(error: Exception) -> bool:
    """Whether trying to join again without a change cannot help."""
    if isinstance(error, (UnreachableNodeError, ServiceUnavailableError)):
        return False
    return isinstance(error, (NodeRefusedError, NodeNameInUseError, ConflictError, UserError))


def url_of(text: str) -> str:
    """Return the base URL of a node, given as URL or ``host:port``.

    >>> url_of("127.0.0.1:8080"), url_of("http://localhost:8080/")
    ('http://127.0.0.1:8080', 'http://localhost:8080')
    """
    text = text.strip().rstrip("/")
    return text if "://" in text else f"http://{text}"
