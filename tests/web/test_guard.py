"""Foreign pages cannot change anything on a node, with or without security."""

from __future__ import annotations

import pytest

from app_framework.testing import Client, ContextRunner
from app_framework.web.errors import ForeignRequestError
from app_framework.web.guard import RequestGuard

OWN = ["localhost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "node.localhost", "LOCALHOST.:80", "10.0.0.5:8080"]
UNKNOWN = [
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "10.0.0.6",
    "",
    None,
    "localhost@evil",
    "[::2]",
]


@pytest.mark.parametrize("host", OWN)
def test_loopback_names_and_the_own_address_are_known_hosts(host: str) -> None:
    """A program on this machine, or one that reached the address we listen on, is served."""
    RequestGuard().check(host, None, "10.0.0.5")


@pytest.mark.parametrize("host", UNKNOWN)
def test_any_other_host_is_unknown(host: str | None) -> None:
    """A name that its owner points at 127.0.0.1 (DNS rebinding) gives itself away in Host."""
    with pytest.raises(ForeignRequestError) as caught:
        RequestGuard().check(host, None, "10.0.0.5")
    assert caught.value.header == "Host"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "localhost:8080"),
        ("http://localhost", "localhost:80"),
        ("https://studio.example", "localhost:8080"),
        ("https://studio.example:8443", "studio.example"),
    ],
)
def test_pages_of_this_node_and_of_allowed_hosts_are_no_foreigners(origin: str, host: str) -> None:
    """The same port under any loopback name is this node; an allowed name is on any port."""
    RequestGuard(["studio.example"]).check(host, origin, "127.0.0.1")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "http://localhost:3000", "http://127.0.0.1", "file://", "localhost:8080"],
)
def test_pages_of_other_origins_are_foreign(origin: str) -> None:
    """Another server on this machine is another origin, as for the browser."""
    with pytest.raises(ForeignRequestError) as caught:
        RequestGuard().check("localhost:8080", origin, "127.0.0.1")
    assert caught.value.header == "Origin"


def test_a_foreign_page_is_answered_403_before_anything_is_done(web: ContextRunner) -> None:
    """Unsafe methods are refused, on routes that exist and on those that do not."""
    with web.run() as context, Client(context) as client:
        for path in ("/cubes/x/query", "/nothing"):
            answer = client.post(path, headers={"Origin": "https://evil.example"})
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
            assert answer.json()["errors"][0]["field"] == "Origin"
        assert client.post("/nothing", headers={"Host": "evil.example"}).json()["errors"][0]["field"] == "Host"
        assert client.post("/nothing", headers={"Origin": "http://127.0.0.1"}).status_code == 404


def test_reading_is_not_guarded(web: ContextRunner) -> None:
    """A probe comes under whatever name its prober knows."""
    with web.run() as context, Client(context) as client:
        headers = {"Origin": "https://evil.example", "Host": "10-0-0-7.pod.example"}
        assert client.get("/actuator/health", headers=headers).status_code == 200


def test_allowed_hosts_are_configured(web: ContextRunner) -> None:
    """`server.allowed-hosts` opens the node to further names."""
    with web.properties({"server.allowed-hosts": ["cubes.example"]}).run() as context, Client(context) as client:
        headers = {"Origin": "https://cubes.example", "Host": "cubes.example"}
        assert client.post("/nothing", headers=headers).status_code == 404
