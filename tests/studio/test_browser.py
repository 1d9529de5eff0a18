"""The pivot in a real Chromium: right numbers, charts without a bar too many, files, layouts, and a quiet console."""

from __future__ import annotations

import csv
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app_framework.testing import ContextRunner
from tests.studio.shop import MODEL, ROWS
from tests.studio.test_socket import AUTO

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium"),
]

RESTORE = """async (layout) => {
  try { await document.querySelector("perspective-viewer").restore(layout); } catch (error) { return String(error); }
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ContextRunner:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    return ContextRunner(AUTO).directory(folder).properties({"server.port": 0, "studio.max-columns": 20})


@pytest.fixture(scope="module")
def url(shop: ContextRunner) -> Iterator[str]:
    with shop.run() as context:
        yield context.addresses["http"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """A window that stays on this machine and has nothing to complain about."""
    foreign: list[str] = []
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1400, "height": 800}, color_scheme="light") as context:
        page = context.new_page()
        page.on("request", lambda each: foreign.append(each.url) if not is_ours(each.url) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda each: complaints.append(each.text) if each.type == "error" else None)
        yield page
    assert (foreign, complaints) == ([], [])


def is_ours(address: str) -> bool:
    return re.match(r"(blob:)?(http|ws)://127\.0\.0\.1[:/]|data:", address) is not None


@pytest.fixture
def pivot(window: Page, url: str) -> Page:
    """The pivot of the shop, ready."""
    return opened(window, f"{url}/studio/cubes/sales")


def opened(window: Page, address: str) -> Page:
    window.goto(address)
    expect(window.locator("[data-pivot][data-ready]")).to_have_count(1, timeout=20_000)
    return window


def arrange(page: Page, **layout: object) -> str | None:
    """Lay the pivot out as a reader's clicks do; return what Perspective says against it."""
    refusal: str | None = page.evaluate(RESTORE, layout)
    return refusal


def size(rows: int, columns: int) -> str:
    return f"{rows} \N{MULTIPLICATION SIGN} {columns} in"


def shows(page: Page, *rows: str) -> None:
    """The rows of the grid, their cells with blanks between."""
    expect(page.locator("regular-table tbody tr")).to_have_text([re.compile(rf"^\W*{row}\W*$") for row in rows])


def test_totals_are_right_from_the_start(pivot: Page) -> None:
    """Three items in all; whole numbers have no point, and money has its two digits."""
    shows(
        pivot,
        "TOTAL.*6.*3.*22.*90.68",
        "Oslo.*2.*2.*7.*13.50",
        "Rome.*2.*2.*6.*2.75",
        "a.b.*1.*1.*2.*4.50",
        ".*9.99|.*69.93",
    )
    expect(pivot.get_by_test_id("answered")).to_contain_text(size(5, 4))


def test_an_open_pivot_follows_commits(shop: ContextRunner, browser: Browser, tmp_path: Path) -> None:
    """Without a reload: new rows, changed numbers, the version; what is closed and scrolled to stays."""
    with shop.run() as context, browser.new_context(viewport={"width": 1400, "height": 600}) as visit:
        url = context.addresses["http"]
        page = opened(visit.new_page(), f"{url}/studio/cubes/sales")
        arrange(page, group_by=["city", "item"], split_by=[], columns=["lines", "revenue"])
        shows(page, "TOTAL.*6.*90.68", "Oslo.*2.*13.50", "cup.*1.*9.00", "tea.*1.*4.50", "Rome.*2.*2.75", *[".*"] * 6)
        page.locator("regular-table tbody th", has_text="Rome").click()
        shows(page, "TOTAL.*6.*90.68", "Oslo.*2.*13.50", "cup.*1.*9.00", "tea.*1.*4.50", "Rome.*2.*2.75", *[".*"] * 4)
        rows = [{"city": city, "item": "urn", "amount": 1, "price": 100} for city in ("Oslo", "Rome")]
        answer = httpx.post(f"{url}/database/tables/sales/rows", json=rows, timeout=30).json()
        shows(
            page, "TOTAL.*8.*290.68", "Oslo.*3.*113.50", "cup.*1.*9.00", "tea.*1.*4.50", "urn.*1.*100.00",
            "Rome.*3.*102.75", *[".*"] * 4,
        )  # fmt: skip
        expect(page.get_by_test_id("version")).to_have_text(f"version {answer['version']}")
        expect(page.get_by_test_id("answered")).to_contain_text(size(10, 2))
        page.screenshot(path=tmp_path / "follows.png")
        arrange(page, group_by=["item"], plugin="Y Bar", columns=["lines"])
        httpx.post(f"{url}/database/tables/sales/delete", json={"where": {"item": ["pot"]}}, timeout=30)
        expect(page.get_by_test_id("answered")).to_contain_text(size(3, 1))


def test_a_split_has_its_totals_and_its_order(pivot: Page) -> None:
    """Month 10 is after month 2; the total over the months is not their sum."""
    arrange(pivot, group_by=["city"], split_by=["month"], columns=["items"], split_rollup_mode="rollup")
    expect(pivot.locator("regular-table thead tr").first).to_have_text(re.compile(r"1\W*2\W*10"))
    expect(pivot.locator("regular-table tbody tr").first).to_have_text(re.compile(r"TOTAL\W*3\W*1\W*2\W*1"))


def test_a_click_on_a_heading_sorts(pivot: Page) -> None:
    """Rows by the measure, the total where it was."""
    arrange(pivot, group_by=["item"], columns=["amount"])
    shows(pivot, "TOTAL.*22", "cup.*7", "pot.*7", "tea.*8")
    pivot.locator("regular-table thead").get_by_text("amount").click()
    shows(pivot, "TOTAL.*22", "tea.*8", "cup.*7", "pot.*7")


def test_a_click_on_a_row_closes_what_is_below_it(pivot: Page) -> None:
    """And another one opens it."""
    arrange(pivot, group_by=["item"], columns=["lines"])
    total = pivot.locator("regular-table tbody th", has_text="TOTAL")
    total.click()
    shows(pivot, "TOTAL.*6")
    total.click()
    shows(pivot, "TOTAL.*6", "cup.*3", "pot.*1", "tea.*2")


@pytest.mark.parametrize("chart", ["Y Bar", "X Bar", "Y Line", "Y Area", "Y Scatter", "Treemap", "Sunburst", "Heatmap"])
def test_a_chart_has_no_bar_for_the_total(pivot: Page, chart: str) -> None:
    """Four cities are four bars."""
    assert arrange(pivot, plugin=chart, group_by=["city"], split_by=[], columns=["items"]) is None
    expect(pivot.get_by_test_id("answered")).to_contain_text(size(4, 1))
    rows = pivot.evaluate("async () => (await document.querySelector('perspective-viewer').getView()).num_rows()")
    assert rows == 4


def test_a_measure_that_is_added_later_has_the_format_of_the_model(pivot: Page) -> None:
    """Perspective would write two digits after the point of everything."""
    arrange(pivot, group_by=[], columns=["lines"])
    shows(pivot, "6")
    arrange(pivot, columns=["lines", "revenue", "first_day"])
    shows(pivot, "6.*90.68.*1/3/.*")


def test_members_are_offered_where_a_filter_is_typed(pivot: Page) -> None:
    """And choosing one keeps its rows only."""
    arrange(pivot, group_by=["item"], columns=["lines"], filter=[["city", "==", ""]])
    field = pivot.locator("input.string-filter")
    field.fill("Ro")
    pivot.get_by_text("Rome", exact=True).last.click()
    shows(pivot, "TOTAL.*2", "cup.*1", "tea.*1")


def test_nothing_is_said_to_be_nothing(pivot: Page) -> None:
    """An empty grid alone would look like a failure."""
    arrange(pivot, group_by=[], columns=["item", "lines"], filter=[["city", "==", "nowhere"]])
    expect(pivot.get_by_test_id("answered")).to_have_text("No rows: nothing passes the filters")


def test_what_cannot_be_shown_is_said_and_reset_helps(pivot: Page) -> None:
    """A pivot that is too wide, and one that makes no sense; the last good one stays until then."""
    problem = pivot.get_by_test_id("problem")
    measures = ["lines", "items", "amount", "revenue", "each", "first_day"]
    assert arrange(pivot, group_by=["item"], split_by=["city"], columns=measures)
    expect(problem).to_contain_text("more than 20 columns (studio.max-columns). Filter it")
    assert arrange(pivot, group_by=["item"], split_by=["item"], columns=["lines"])
    expect(problem).to_have_text("'item' cannot group rows and split columns at once.")
    pivot.get_by_role("button", name="Reset", exact=True).click()
    expect(problem).to_be_hidden()
    expect(pivot.get_by_test_id("answered")).to_contain_text(size(5, 4))


def test_what_is_shown_is_exported_exactly(pivot: Page, url: str) -> None:
    """As the cube answers it, in CSV and as Arrow."""
    arrange(pivot, group_by=["city"], split_by=[], columns=["revenue"], sort=[["revenue", "desc"]])
    with pivot.expect_download() as download:
        pivot.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "sales.csv"
    query = {
        "measures": ["revenue"],
        "levels": ["city"],
        "order": [{"by": "revenue", "descending": True}],
        "totals": "all",
    }
    answer = httpx.post(f"{url}/cubes/sales/query", json=query, headers={"Accept": "text/csv"}).text
    assert list(csv.reader(download.value.path().read_text().splitlines())) == list(csv.reader(answer.splitlines()))
    with pivot.expect_download() as download:
        pivot.get_by_role("button", name="Arrow").click()
    table = pa.ipc.open_stream(download.value.path().read_bytes()).read_all()
    assert table.column("city").to_pylist()[:2] == [None, "Oslo"]


def test_the_query_is_shown_with_plan_and_sql(pivot: Page) -> None:
    """And as a command to copy."""
    arrange(pivot, group_by=["city"], split_by=["month"], columns=["items"], split_rollup_mode="rollup")
    pivot.get_by_role("button", name="Show query").click()
    told = pivot.get_by_test_id("explained")
    expect(told).to_contain_text("Query 1 of 2")
    for text in ('"levels": ["month","city"]', "count_distinct(item)", "GROUP BY", "curl http://127.0.0.1"):
        expect(told).to_contain_text(text)
    pivot.get_by_role("button", name="Close").click()
    expect(told).to_be_hidden()


def test_a_layout_is_kept_and_comes_back(pivot: Page) -> None:
    """In this browser, for this cube; until it is deleted."""
    arrange(pivot, group_by=["item"], split_by=[], columns=["lines"])
    pivot.get_by_role("button", name="Save layout").click()
    pivot.get_by_label("Its name").fill("Lines by <item>")
    pivot.get_by_role("button", name="Save", exact=True).click()
    layouts = pivot.get_by_test_id("layouts")
    expect(layouts).to_have_value("Lines by <item>")
    opened(pivot, pivot.url)
    expect(pivot.get_by_test_id("answered")).to_contain_text(size(5, 4))
    layouts.select_option("Lines by <item>")
    shows(pivot, "TOTAL.*6", "cup.*3", "pot.*1", "tea.*2")
    pivot.get_by_role("button", name="Delete layout").click()
    expect(layouts.locator("option")).to_have_count(1)


def test_a_link_has_the_layout_in_it(pivot: Page) -> None:
    """For somebody else; the node never gets to see it."""
    arrange(pivot, group_by=["item"], split_by=[], columns=["lines"], filter=[["city", "in", ["Oslo", "Rome"]]])
    pivot.get_by_role("button", name="Copy link").click()
    expect(pivot).to_have_url(re.compile(r"#layout="))
    link = pivot.url
    pivot.goto("about:blank")
    opened(pivot, link)
    shows(pivot, "TOTAL.*4", "cup.*2", "tea.*2")
    pivot.goto("about:blank")
    opened(pivot, link.partition("#")[0] + "#layout=nonsense")
    expect(pivot.get_by_test_id("problem")).to_contain_text("cannot be read")


def test_the_pivot_follows_the_colours_of_the_reader(pivot: Page) -> None:
    """Also while it is looked at."""
    viewer = pivot.locator("perspective-viewer")
    expect(viewer).to_have_attribute("theme", "Pro Light")
    pivot.emulate_media(color_scheme="dark")
    expect(viewer).to_have_attribute("theme", "Pro Dark")


def test_a_node_that_restarts_is_waited_for(shop: ContextRunner, browser: Browser) -> None:
    """What was laid out is there again, and the page said that it was not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = shop.properties({"server.port": port})
    with browser.new_context() as context:
        page = context.new_page()
        with node.run():
            opened(page, f"http://127.0.0.1:{port}/studio/cubes/sales")
            arrange(page, group_by=["item"], split_by=[], columns=["lines"])
            expect(page.get_by_test_id("answered")).to_contain_text(size(4, 1))
        expect(page.get_by_test_id("problem")).to_contain_text("cannot be reached")
        with node.run():
            expect(page.get_by_test_id("problem")).to_be_hidden(timeout=15_000)
            shows(page, "TOTAL.*6", "cup.*3", "pot.*1", "tea.*2")
            page.get_by_role("button", name="Reset", exact=True).click()
            expect(page.get_by_test_id("answered")).to_contain_text(size(5, 4))
            page.goto("about:blank")


def test_on_a_secured_node_the_browser_says_who_it_is_once(shop: ContextRunner, browser: Browser) -> None:
    """The name and the password that opened the page open its WebSocket too."""
    users = {"security.users.ana.password": "ana-ana-ana-ana", "security.users.ana.roles": ["reader"]}
    credentials = {"username": "ana", "password": "ana-ana-ana-ana"}
    node = shop.properties(users)
    with node.run() as context, browser.new_context(http_credentials=credentials) as visit:  # type: ignore[arg-type]
        page = opened(visit.new_page(), f"{context.addresses['http']}/studio/cubes/sales")
        expect(page.get_by_test_id("answered")).to_contain_text(size(5, 4))
        page.get_by_role("button", name="Show query").click()
        expect(page.get_by_test_id("explained")).to_contain_text("GROUP BY")
