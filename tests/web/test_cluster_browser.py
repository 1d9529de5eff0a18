"""The cluster page in a real browser: it refreshes itself, and changes the cluster."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app_framework.testing import ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.web.fake_cluster import FakeCluster, serving

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SECOND = "http://127.0.0.1:9"
"""Where a fake node says that it is."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        yield browser


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said."""
    return []


@pytest.fixture
def page(browser: Browser, cluster: FakeCluster, complaints: list[str]) -> Iterator[Page]:
    """The page of the node that founded the cluster; a second node runs."""
    node = cluster.node("node1", "http://127.0.0.1:8")
    cluster.node("node2", SECOND)
    runner = ContextRunner(auto=[serving(node), WebAutoConfiguration]).properties({"server.port": 0})
    with runner.run() as context, browser.new_context() as visit:
        page = visit.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(context.addresses["http"] + "/studio/cluster")
        yield page


def test_the_page_follows_the_cluster_by_itself(page: Page, cluster: FakeCluster, complaints: list[str]) -> None:
    """Members, term and words change without a click, and what a person types stays (JA12)."""
    page.get_by_label("Its address, once it runs").fill("http://half")
    second = cluster.running["node2"]
    cluster.change(cluster.document(second, "FOLLOWER"), "cluster_register", "node2 was registered")
    expect(page.get_by_test_id("verdict")).to_contain_text("Both nodes are active")
    expect(page.get_by_test_id("peer")).to_have_count(2)
    cluster.kill("node2")
    expect(page.get_by_test_id("verdict")).to_have_class(re.compile("no-quorum"))
    expect(page.get_by_test_id("state")).to_have_text("Candidate")
    assert page.get_by_label("Its address, once it runs").input_value() == "http://half"
    assert complaints == []


def test_a_node_is_added_and_removed(page: Page, cluster: FakeCluster, complaints: list[str]) -> None:
    """As RavenDB's walk-through does it; the removal asks before it is done (R16)."""
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Its address, once it runs").fill(SECOND)
    page.get_by_role("button", name="Add node").click()
    expect(page.get_by_text("node2 is a member now.")).to_be_visible()
    expect(page.get_by_test_id("peer")).to_have_count(2)
    page.get_by_role("button", name="Remove").nth(1).click()
    expect(page.get_by_text("node2 is no member any more.")).to_be_visible()
    assert list(cluster.members) == ["node1"]
    assert complaints == []


def test_a_refusal_is_shown_where_it_was_asked(page: Page) -> None:
    """With what to do."""
    page.get_by_label("Its address, once it runs").fill("http://127.0.0.1:7")
    page.get_by_role("button", name="Add node").click()
    expect(page.get_by_text("no node answers at http://127.0.0.1:7")).to_be_visible()


def test_a_silent_node_is_said_to_be_silent(page: Page) -> None:
    """What is shown then is old, and the page says from when."""
    page.route("**/studio/cluster", lambda route: route.abort())
    expect(page.get_by_text("This node cannot be asked (it does not answer). What you see is from")).to_be_visible()
    page.unroute("**/studio/cluster")
    expect(page.get_by_text("This node cannot be asked")).to_be_hidden()


def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
