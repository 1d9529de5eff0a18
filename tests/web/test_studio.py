"""The Studio's start page links what the node has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app_framework.testing import Client, ContextRunner
from app_framework.web import StudioItem, StudioSection
from app_framework.web.pages import CONTENT_SECURITY_POLICY


class OrdersSection(StudioSection):
    """A section of a starter, with names that must be escaped."""

    title = "Orders <today>"

    async def items(self, base_url: str) -> Sequence[StudioItem]:
        return [
            StudioItem("<script>alert(1)</script>", "/orders", parts={"Kinds": ["a&b"]}, example=f"curl {base_url}")
        ]


def test_the_root_leads_to_the_studio(web: ContextRunner) -> None:
    """Who types the address of a node sees what it has."""
    with web.run() as context, Client(context, follow_redirects=True) as client:
        answer = client.get("/")
        assert (answer.url.path, answer.headers["content-type"]) == ("/studio", "text/html; charset=utf-8")


def test_every_link_of_the_page_works(web: ContextRunner) -> None:
    """Also with everything exposed; nothing leads to another machine."""
    properties = {"management.endpoints.web.exposure.include": "*"}
    with web.properties(properties).run() as context, Client(context) as client:
        page = client.get("/studio")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert {"/docs", "/openapi.json", "/actuator/health", "/actuator/env", "/studio?format=json"} <= set(links)
        assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_the_page_and_its_twin_tell_node_versions_and_readiness(web: ContextRunner) -> None:
    """The same facts for people and for programs."""
    with web.properties({"app.name": "shop", "app.version": "7.1"}).run() as context, Client(context) as client:
        twin = client.get("/studio?format=json").json()
        assert (twin["application"], twin["node"], twin["ready"]) == ("shop", "shop", True)
        assert twin["versions"]["application"] == "7.1"
        context.availability.readiness.refuse("no majority", owner="test")
        assert client.get("/studio?format=json").json()["reasons"] == ["no majority"]
        assert "Not ready: no majority" in " ".join(client.get("/studio").text.split())


def test_a_starter_adds_a_section(web: ContextRunner) -> None:
    """What it names is escaped on the page and plain in the twin."""
    with web.sources(OrdersSection).run() as context, Client(context) as client:
        page = client.get("/studio").text
        assert "Orders &lt;today&gt;" in page
        assert "<script>alert" not in page
        assert "a&amp;b" in page
        titles = [section["title"] for section in client.get("/studio?format=json").json()["sections"]]
        assert titles == ["Orders <today>", "API", "Operations"]


def test_a_node_without_cubes_says_how_to_get_some(web: ContextRunner) -> None:
    """The first thing that a new user sees is what to do next."""
    with web.run() as context, Client(context) as client:
        assert "application.yml" in client.get("/studio").text
