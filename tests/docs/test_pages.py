"""Every block of every page runs: what a reader copies works, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import PAGES
from tests.docs.conftest import PageFactory
from tests.docs.page import ROOT, blocks, commands
from tests.docs.terminal import matches

DOCS = ROOT / "docs"
NOT_RUN = ("decisions", "internals")
OWN_TEST = "write-a-starter.md"
"""It installs a distribution, which its own test prepares."""


def pages() -> list[Path]:
    generated = {DOCS / "reference" / name for name in PAGES}
    found = sorted(page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).parts[0] not in NOT_RUN)
    found = [page for page in found if page not in generated]
    return [ROOT / "README.md", *(page for page in found if page.name != OWN_TEST)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_of(page: Path, open_page: PageFactory) -> None:
    """What the page shows happens, from top to bottom, and its nodes end well."""
    opened = open_page(page)
    opened.run()
    assert opened.terminal.stop_nodes() is None


@pytest.mark.parametrize("kind", ["tutorial", "how-to", "reference", "concepts", "decisions"])
def test_the_index_names_every_page_of(kind: str) -> None:
    """A page that nobody links is a page that nobody reads."""
    index = (DOCS / "README.md" if kind != "decisions" else DOCS / "decisions" / "README.md").read_text()
    found = [page for page in sorted((DOCS / kind).glob("*.md")) if page.name != "README.md"]
    assert [page.name for page in found if page.name not in index] == []


def test_console_blocks_are_commands_with_their_output() -> None:
    assert list(commands("$ cat a \\\n> b\none\ntwo\n$ true\n")) == [("cat a \\\nb", "one\ntwo\n"), ("true", "")]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a ... d ...", "a  b\nc d", True),
        ("... 3 rows", "read 3 rows", True),
        ("a ... d", "a d e", False),
        ("a b", "a\nb\n", True),
        ("a ... a", "a", False),
    ],
)
def test_three_dots_are_any_text(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same


def test_a_block_knows_its_language_file_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n```yaml config/application-dev.yml\na: 1\n## no heading\n```\n\n## Next\n\n```text\n```\n"
    )
    first, second = blocks(page)
    assert (first.language, first.file, first.line) == ("yaml", "config/application-dev.yml", 3)
    assert (first.text, first.section, second.section) == ("a: 1\n## no heading\n", "", "Next")
