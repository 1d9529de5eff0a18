"""The pivot over all facts in a real Chromium: from a change of its layout to the new rows in the grid."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.comparison import Case, Target
from benchmarks.facts import Ground
from benchmarks.tiles import until_answered_by
from benchmarks.wire import KeepAlive

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHANGES = 10
READY_MS = 30_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

LAYOUTS: Sequence[Mapping[str, object]] = (
    {"group_by": ["region"], "columns": ["lines", "revenue"]},
    {"group_by": ["channel"], "columns": ["lines", "revenue", "cost"]},
    {"group_by": ["region", "channel"], "columns": ["quantity", "revenue"]},
    {"group_by": ["carrier"], "columns": ["lines", "weight"]},
    {"group_by": ["segment"], "columns": ["lines", "mean_discount"]},
)
"""What a reader looks at by turns, each time for other years."""

CHANGE = """async (layout) => {
  const viewer = document.querySelector("perspective-viewer");
  const said = document.querySelector('[data-testid="answered"]');
  const grid = viewer.querySelector("perspective-viewer-datagrid");
  const shown = () => (grid.shadowRoot ?? grid).querySelector("regular-table")?.textContent ?? "";
  const before = shown();
  const started = performance.now();
  const told = new Promise((done) => {
    const watch = new MutationObserver(() => { watch.disconnect(); done(); });
    watch.observe(said, { childList: true, characterData: true, subtree: true });
  });
  await Promise.all([viewer.restore(layout), told]);
  while (shown() === before) {
    if (performance.now() - started > 20000) throw new Error("the grid did not change");
    await new Promise((painted) => requestAnimationFrame(painted));
  }
  return [performance.now() - started, said.textContent];
}"""


@contextlib.contextmanager
def pivot_changes(ground: Ground) -> Iterator[Sequence[Case]]:
    """A window on the pivot of the cube `covered`, whose tiles are there; without Chromium there is nothing to measure.

    Raises:
        RuntimeError: there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise RuntimeError("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with KeepAlive(ground.node.port) as connection:
        for layout in LAYOUTS:
            until_answered_by(connection, "tile", partial(_question, layout))
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=FLAGS) as browser,
        browser.new_context(viewport={"width": 1400, "height": 800}) as context,
    ):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{ground.node.port}/studio/cubes/covered")
        page.wait_for_selector("[data-pivot][data-ready]", timeout=READY_MS)
        layouts = cycle(LAYOUTS)

        def changes() -> list[tuple[float, float]]:
            return [_change(page, next(layouts)) for _ in range(CHANGES)]

        changes()
        yield [
            Case(
                "pivot",
                f"Pivot of {ground.rows:,} facts in Chromium, from a change to the new rows, median of {CHANGES}",
                lambda: median(shown for shown, _ in changes()),
                target=Target(300, of="ms"),
            ),
            Case(
                "pivot-node",
                "… the node's part of it",
                lambda: median(node for _, node in changes()),
                target=Target(10, of="ms"),
            ),
        ]


def _question(layout: Mapping[str, object]) -> Mapping[str, object]:
    """Return what the page will ask for, and some months, so that it is not a kept answer that answers it."""
    where = {"year": _some_years(), "month": sorted(random.sample(range(1, 13), 6))}
    return {"measures": layout["columns"], "levels": layout["group_by"], "where": where, "totals": "all"}


def _some_years() -> list[int]:
    return sorted(random.sample(range(2021, 2025), 3))


def _change(page: Page, layout: Mapping[str, object]) -> tuple[float, float]:
    """Change the pivot; return the milliseconds until the grid showed it, and those that the node says it took."""
    shown = {"split_by": [], "sort": [], "filter": [["year", "in", _some_years()]], **layout}
    shown_ms, said = page.evaluate(CHANGE, shown)
    found = re.search(r"in ([\d.,]+) ms", said)
    if found is None:
        raise RuntimeError(f"the page said {said!r}")
    return float(shown_ms), float(found[1].replace(",", ""))
