"""Nodes of a fake cluster that answer in this process, and a network to them that a test can cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.web.fake_cluster import FakeCluster, FakeClusterNode, serving

URLS = ("http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8082")


class Node:
    """A node that answers in this process.

    Args:
        service: its membership.
        http: a client of it alone.
    """

    def __init__(self, service: FakeClusterNode, http: Client) -> None:
        self.service = service
        self.http = http


class Network(httpx.BaseTransport):
    """Leads each URL to its node.

    Attributes:
        dead: URLs where nothing listens.
        silent: URLs where a request arrives and no answer comes.
        asked: the URLs of all requests that were tried, in order.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = {node.service.url: node for node in nodes}
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = f"{request.url.scheme}://{request.url.netloc.decode()}"
        self.asked.append(url)
        if url in self.dead or url not in self.nodes:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        answer = self.nodes[url].http.request(
            request.method, request.url.raw_path.decode(), content=request.read(), headers=headers
        )
        if url in self.silent:
            raise httpx.ReadTimeout("timed out", request=request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@contextmanager
def running(cluster: FakeCluster, *sources: object, count: int = 3) -> Iterator[list[Node]]:
    """Run nodes; the first one founded the cluster, the others are no members yet."""
    with ExitStack() as stack:
        nodes = []
        for number, url in enumerate(URLS[:count], start=1):
            service = cluster.node(f"node{number}", url)
            runner = ContextRunner(auto=[serving(service), WebAutoConfiguration]).sources(*sources)
            context = stack.enter_context(runner.properties({"server.enabled": False}).run())
            nodes.append(Node(service, stack.enter_context(Client(context))))
        yield nodes
