"""The reference pages say what the code says; `--rewrite` writes them."""

from __future__ import annotations

import pytest

from app_framework.testing import GoldenFiles
from docs.generate import PAGES
from tests.docs.page import ROOT

BY_HAND = ("distribution-test-helper.md", "measures.md")
"""Pages whose blocks run instead."""


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str, request: pytest.FixtureRequest) -> None:
    """A property, route or command that changes changes its page; the review reads both."""
    reference = GoldenFiles(ROOT / "docs" / "reference", rewrite=bool(request.config.getoption("--rewrite")))
    reference(name, PAGES[name]())


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_has_no_empty_description(name: str) -> None:
    """What is public has a sentence."""
    rows = [line for line in PAGES[name]().splitlines() if line.startswith("| `")]
    assert [row for row in rows if name in ("properties.md", "python.md") and row.endswith("|  |")] == []


def test_every_page_is_written_by_the_code_or_run() -> None:
    """A page that nothing generates any more is deleted by hand."""
    assert {page.name for page in (ROOT / "docs" / "reference").glob("*.md")} == {*PAGES, *BY_HAND}
