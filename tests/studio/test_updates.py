"""An open pivot after a commit: Perspective is told of views that show something else, and of no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.database import Condition, Database, Delete, Insert
from app_framework.olap import Cube
from app_framework.web.pivot.frame import Bounds, Frame, lay_out
from app_framework.web.pivot.layout import read_layout
from app_framework.web.pivot.view import View
from tests.studio.shop import Browser, as_row, open_shop


class Shop:
    """A shop that somebody looks at while it sells."""

    def __init__(self, browser: Browser, cube: Cube, database: Database) -> None:
        self.browser = browser
        self.cube = cube
        self.updates: list[object] = []
        self._database = database

    def view(self, **layout: object) -> Any:
        """A view that is listened to."""
        view = self.browser.view(**layout)
        view.on_update(self.updates.append)
        return view

    def sell(self, *items: str, city: str = "Oslo") -> int:
        rows = [{"city": city, "item": item, "amount": 1, "price": 1} for item in items]
        return self._database.commit([Insert("sales", rows)]).version

    def forget(self, *items: str) -> int:
        return self._database.commit([Delete("sales", Condition("item IN (SELECT unnest(?))", [[*items]]))]).version


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path) as (cube, database):
        browser = Browser(cube, Bounds(cells=60))
        yield Shop(browser, cube, database)
        browser.close()


def rows(view: Any) -> list[tuple[object, ...]]:
    return [as_row(row) for row in view.to_json()]


def test_a_view_that_is_listened_to_shows_what_was_committed(shop: Shop) -> None:
    """Rows that are new, and numbers that changed; the page learns size and version."""
    view = shop.view(group_by=["item"], columns=["lines"])
    version = shop.sell("urn")
    told = shop.browser.refresh(version)
    assert len(shop.updates) == 1
    assert told == {"version": version, "rows": 5, "columns": 1}
    assert rows(view)[-1] == (("urn",), 1)


def test_nothing_is_said_of_a_view_that_is_the_same(shop: Shop) -> None:
    """Neither where its numbers are, nor where its tables did not change: then nothing is asked."""
    shop.view(group_by=["item"], columns=["lines"], filter=[["city", "==", "Rome"]])
    version = shop.sell("urn")
    assert shop.browser.refresh(version) == {"version": version}
    assert shop.browser.asked
    assert shop.browser.refresh(version, touches=False) == {"version": version}
    assert not shop.browser.asked
    assert shop.updates == []


def test_who_does_not_listen_is_not_asked_for(shop: Shop) -> None:
    """A view that is deleted, one that is only read, and one that was listened to before."""
    shop.browser.view(columns=["lines"])
    shop.view(columns=["lines"]).delete()
    view = shop.browser.view(columns=["lines"])
    view.remove_update(view.on_update(shop.updates.append))
    shop.browser.refresh(shop.sell("urn"))
    assert (shop.updates, shop.browser.asked) == ([], [])


def test_what_is_closed_stays_closed(shop: Shop) -> None:
    """What is new below it as well; opened, it is there."""
    view = shop.view(group_by=["city", "item"], columns=["lines"])
    view.collapse(1)
    assert [row[0] for row in rows(view)][:3] == [(), ("Oslo",), ("Rome",)]
    shop.browser.refresh(shop.sell("urn"))
    assert rows(view)[1:3] == [(("Oslo",), 3), (("Rome",), 2)]
    view.expand(1)
    assert (("Oslo", "urn"), 1) in rows(view)


def test_a_view_that_shows_a_depth_shows_it_of_what_is_new(shop: Shop) -> None:
    """Perspective's Python client has no word for it, so this is the view itself."""
    layout = read_layout(shop.browser.columns, {"group_by": ["city", "item"], "columns": ["lines"]})

    def frame() -> Frame:
        return lay_out(layout, [(each, shop.cube.query_sync(each.query)) for each in layout.questions], Bounds())

    view = View(layout, frame())
    view.show_depth(1)
    view.open(1)
    assert len(view) == 1 + 4 + 2
    shop.sell("urn", city="Bern")
    newer = view.over(frame())
    assert len(newer) == 1 + 5 + 2
    assert newer.frame != view.frame


def test_what_cannot_be_shown_any_more_is_told_once_and_until_it_can(shop: Shop) -> None:
    """The last good numbers stay."""
    view = shop.view(group_by=["item"], columns=["lines"])
    before = rows(view)
    items = [f"i{number}" for number in range(70)]
    version = shop.sell(*items)
    told = shop.browser.refresh(version)
    assert "more than 60 cells (studio.max-cells)" in str(told["problem"])
    assert rows(view) == before
    version = shop.forget(*items)
    assert shop.browser.refresh(version) == {"version": version, "problem": None}
    assert shop.browser.refresh(version) == {"version": version}
