"""The pages in a real browser: they work without any other network, and say nothing on its console."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from fastapi import APIRouter
from playwright.sync_api import Browser, Page, sync_playwright

from app_framework.testing import ContextRunner

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium"),
]

router = APIRouter(tags=["orders"])


@router.get("/orders/{number}", operation_id="readOrder")
async def read_order(number: int) -> dict[str, int]:
    """One order."""
    return {"number": number}


@dataclass
class Visit:
    """A page, and what it did behind the reader's back."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go there and wait until nothing is loaded any more."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def stayed_home(self) -> bool:
        """Whether every request went to the node, and the browser had nothing to complain about."""
        return not self.complaints and all(url.startswith((self.url, "data:")) for url in self.requests)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A node that listens."""
    from app_framework.web.autoconfigure import WebAutoConfiguration

    runner = ContextRunner(auto=[WebAutoConfiguration]).sources(router)
    with runner.properties({"server.port": 0, "app.name": "shop"}).run() as context:
        yield context.addresses["http"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        yield browser


@pytest.fixture(params=["light", "dark"])
def visit(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with browser.new_context(color_scheme=request.param) as context:
        yield Visit(context.new_page(), url)


def test_the_studio_is_readable_offline(visit: Visit) -> None:
    """Name, readiness and links, with the style of the page."""
    page = visit.open("/")
    assert page.url.endswith("/studio")
    assert page.get_by_test_id("application").inner_text() == "shop"
    assert page.get_by_test_id("readiness").inner_text().strip() == "Ready"
    assert page.get_by_role("link", name="API documentation").is_visible()
    assert page.locator("header").evaluate("each => getComputedStyle(each).display") == "flex"
    assert visit.stayed_home(), (visit.requests, visit.complaints)


def test_the_api_documentation_works_offline(visit: Visit) -> None:
    """Every route is listed, and can be tried out under the page's own policy."""
    page = visit.open("/docs")
    page.locator("#operations-orders-readOrder .opblock-summary-control").click()
    page.get_by_placeholder("number").fill("42")
    page.get_by_role("button", name="Execute").click()
    page.get_by_text('"number": 42').first.wait_for()
    assert visit.stayed_home(), (visit.requests, visit.complaints)


def test_the_page_follows_the_readers_colours(browser: Browser, url: str) -> None:
    """Dark where the reader's system is dark."""
    grounds = set()
    for scheme in ("light", "dark"):
        with browser.new_context(color_scheme=scheme) as context:
            page = context.new_page()
            page.goto(url + "/studio")
            grounds.add(page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor"))
    assert len(grounds) == 2
