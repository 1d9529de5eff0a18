"""What the tests of the pivot share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_framework.olap import Cube
from tests.studio.shop import Browser, shop_cube


@pytest.fixture(scope="session")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cube]:
    with shop_cube(tmp_path_factory.mktemp("shop")) as cube:
        yield cube


@pytest.fixture
def browser(cube: Cube) -> Iterator[Browser]:
    browser = Browser(cube)
    yield browser
    browser.close()
