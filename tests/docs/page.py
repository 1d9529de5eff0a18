"""A page of the documentation as a program: its fenced blocks run from top to bottom, as a reader would run them.

| the fence says | what happens |
| --- | --- |
| ```` ```yaml application.yml ```` (any language, then a file) | the file is written into the page's own folder |
| ```` ```console ```` | each line after ``$ `` goes to one shell; what it prints must be what the page shows |
| ```` ```python ```` | it is executed; with ``>>>`` it is compared as a doctest; all blocks share their names |
| ```` ```yaml ```` without a file | it must be a valid application.yml for what is installed |
| ```` ```text ```` | nothing: a drawing, or what this suite cannot do |

``...`` stands for any text and white space counts as one space. The ports of `tests.docs.ports` stand for free ones,
and ``AF_URL`` is the address of the first, which commands ask that are given none.

Nodes run in terminals of their own. Where the page shows a node's address, ``af run`` stays there until the next
``af run``, and ``af node start`` and ``af witness`` until the end of their section, a heading of level two. Then they
are ended with Ctrl-C, and exit code 0 is demanded (after a ``kill -9`` in the section, that of the kill is as good).
Where the page shows no address, the node must end by itself. While nodes of a cluster run, commands that only read are
repeated until they fit. ``make TARGET`` is looked up in the Makefile and not run: a suite cannot run itself.
"""

from __future__ import annotations

import doctest
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from app_framework.boot import ConfigurationError
from app_framework.testing import ContextRunner
from tests.docs.ports import Ports
from tests.docs.terminal import Terminal, difference

ROOT = Path(__file__).resolve().parents[2]
FIRST_PORT = "8080"
DEFAULT = "default of ServerProperties"
"""Where the page really means 8080."""

_FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)$\n", re.MULTILINE))
_TARGET = re.compile(r"make (?P<target>[a-z]+)")
_SECTION = re.compile(r"^## (?P<heading>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Args:
        language: the first word behind the fence.
        file: the second word, empty when there is none.
        text: what is inside.
        line: where the fence is, from 1.
        section: the heading of level two that it stands below, empty above the first.
    """

    language: str
    file: str
    text: str
    line: int
    section: str


class Page:
    """A page with a folder, a shell and Python names of its own; leave it with `close`.

    Args:
        path: the page.
        folder: an empty folder, where everything happens.
        environ: the environment variables of its shell.
    """

    def __init__(self, path: Path, folder: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.folder = folder
        self._ports = Ports()
        self.terminal = Terminal(folder, {**environ, "AF_URL": f"http://127.0.0.1:{self._ports[FIRST_PORT]}"})
        self._section = ""
        self._module = types.ModuleType("page")
        sys.modules["page"] = self._module  # where type hints are looked up
        self._kinds = {"console": self._console, "python": self._run_python, "yaml": self._check_yaml}

    def run(self) -> None:
        """Evaluate every block."""
        for example in Document.parse(str(self.path), self._regions).examples():
            example.evaluate()

    def close(self) -> None:
        """End the shell, and the nodes that still run."""
        del sys.modules["page"]
        self.terminal.close()
        self._ports.close()

    def _regions(self, document: Document) -> Iterable[Region]:
        for region, block in fenced(document):
            region.parsed = block
            region.evaluator = self._evaluate
            yield region

    def _evaluate(self, example: Example) -> str | None:
        block: Block = example.parsed
        if block.section != self._section:
            self._section = block.section
            if wrong := self.terminal.stop_cluster():
                return wrong
        if block.file:
            self._write(block)
            return None
        if block.language == "text":
            return None
        kind = self._kinds.get(block.language)
        return kind(block) if kind else f"nothing runs {block.language!r}: name a file, or mark the block text"

    def _write(self, block: Block) -> None:
        file = self.folder / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._here(block.text))

    def _console(self, block: Block) -> str | None:
        for command, expected in commands(self._here(block.text)):
            target = _TARGET.fullmatch(command)
            wrong = missing_target(target["target"]) if target else self.terminal.check(command, expected)
            if wrong:
                return f"$ {command}\n{wrong}"
        return None

    def _run_python(self, block: Block) -> str | None:
        names, text = vars(self._module), self._here(block.text)
        if not text.lstrip().startswith(">>>"):
            exec(compile("\n" * block.line + text, str(self.path), "exec", dont_inherit=True), names)
            return None
        parsed = doctest.DocTestParser().get_doctest(text, {}, self.path.name, str(self.path), block.line)
        parsed.globs = names
        told: list[str] = []
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        doctest.DocTestRunner(optionflags=flags, verbose=False).run(parsed, out=told.append, clear_globs=False)
        return "".join(told) or None

    def _check_yaml(self, block: Block) -> str | None:
        try:
            ContextRunner().installed().yaml(self._here(block.text)).prepare()
        except ConfigurationError as error:
            return str(error)
        return None

    def _here(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        return "".join(line if DEFAULT in line else self._ports.replaced(line) for line in lines)


def fenced(document: Document) -> Iterator[tuple[Region, Block]]:
    """Yield what is fenced on a page, each with what its fence says and holds."""
    section, end = "", 0
    for region in _FENCES(document):
        for found in _SECTION.finditer(document.text, end, region.start):
            section = found["heading"]
        end = region.end
        language, _, file = str(region.lexemes["info"]).strip().partition(" ")
        line = document.text.count("\n", 0, region.start) + 1
        yield region, Block(language, file.strip(), str(region.lexemes["source"]), line, section)


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page without running them."""
    return [block for _, block in fenced(Document(path.read_text(encoding="utf-8"), str(path)))]


def commands(text: str) -> Iterable[tuple[str, str]]:
    """Yield each command of a console block with what it prints; a line with ``> `` continues the command."""
    command: list[str] = []
    printed: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), "".join(printed)
            command, printed = [line[2:]], []
        elif line.startswith("> ") and not printed:
            command.append(line[2:])
        else:
            printed.append(line + "\n")
    if command:
        yield "\n".join(command), "".join(printed)


def missing_target(name: str) -> str | None:
    """Return what is wrong with ``make NAME``."""
    known = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return None if name in known else difference(f"one of {', '.join(known)}\n", f"{name}\n")
