"""What a page needs: a folder, an environment without the suite's own settings, and the installed commands."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app_framework.messaging.errors import NatsServerError
from app_framework.messaging.server_binary import find_binary
from tests.docs.page import ROOT, Page
from tests.docs.ports import ADDRESSES, has_address

TOOLS = ("bash", "curl", "sed")
"""What a reader has at hand."""

OWN_SETTINGS = ("AF_", "APP_", "COV_", "PYTEST_")
"""Variables of the suite that would change how an application starts or prints."""

PageFactory = Callable[[Path], Page]


@pytest.fixture
def open_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageFactory]:
    """Open pages, each in a folder of its own, and close them at the end."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}: apt-get install {tool}")
    with ExitStack() as closing:

        def opened(path: Path, **variables: str) -> Page:
            skip_without_what_it_needs(path.read_text(encoding="utf-8"))
            folder = tmp_path / "page"
            folder.mkdir()
            monkeypatch.chdir(folder)
            monkeypatch.syspath_prepend(str(folder))
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # what clients remember of clusters
            page = Page(path, folder, {**clean_environment(), **variables})
            closing.callback(page.close)
            return page

        yield opened


@pytest.fixture(autouse=True)
def _forget_modules_of_pages() -> Iterator[None]:
    """What a page imports from its own folder is not for the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if "pytest-" in file:
            del sys.modules[name]


def skip_without_what_it_needs(text: str) -> None:
    """Skip a page that starts nodes where there is no program or no address for them."""
    for address in ADDRESSES:
        if address in text and not has_address(address):
            pytest.skip(f"needs {address}: sudo ifconfig lo0 alias {address}")
    if "af node start" in text or "af witness" in text:
        try:
            find_binary()
        except NatsServerError as error:
            pytest.skip(f"needs nats-server: {error}")


def clean_environment() -> dict[str, str]:
    """Return this process's variables without what would change how an application starts or prints."""
    bin_folder = Path(sys.executable).parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
    return {
        **kept,
        "PATH": f"{bin_folder}{os.pathsep}{kept.get('PATH', '')}",
        "NO_COLOR": "1",
        "COLUMNS": "110",
        "CHECKOUT": str(ROOT),
    }
