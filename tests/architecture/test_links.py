"""Every relative link of every page leads to a file, and its anchor to a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source_tree import ROOT

FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)")
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)


def pages() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("docs", "starters", "sample_app", "benchmarks"):
        yield from sorted(page for page in (ROOT / folder).rglob("*.md") if "site" not in page.parts)


def test_every_link_between_pages_leads_somewhere() -> None:
    assert [problem for page in pages() for problem in broken_links(page)] == []


def test_an_anchor_is_made_from_its_heading_as_on_github() -> None:
    assert anchor("`af config explain` — where a value comes from") == "af-config-explain--where-a-value-comes-from"


def broken_links(page: Path) -> Iterator[str]:
    for groups in LINK.findall(prose(page)):
        link = groups[0] or groups[1]
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)} → {link}: no such file"
        elif fragment and target.suffix == ".md" and fragment not in anchors(target):
            yield f"{page.relative_to(ROOT)} → {link}: no such heading"


def prose(page: Path) -> str:
    """The page without its code blocks, where brackets mean other things."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in HEADING.findall(prose(page))}


def anchor(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
