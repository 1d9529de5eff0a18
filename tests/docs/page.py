"""A page of the documentation as a program: its fenced blocks run from top to bottom, as a reader would run them.

| the fence says | what happens |
| --- | --- |
| ```` ```yaml application.yml ```` (any language, then a file) | the file is written into the page's own folder |
| ```` ```console ```` | each line after ``$ `` goes to one shell; what it prints must be what the page shows |
| ```` ```python ```` | it is executed; with ``>>>`` it is compared as a doctest; all blocks share their names |
| ```` ```yaml ```` without a file | it must be a valid application.yml for what is installed |
| ```` ```text ```` | nothing: a drawing, or what this suite cannot do |

``...`` stands for any text and white space counts as one space. The port 8080 stands for a free one. ``af run`` runs in
a terminal of its own: where the page shows its address it stays there until the next ``af run``, which ends it with
Ctrl-C and demands exit code 0; where it shows none, the node must end by itself.
``make TARGET`` is looked up in the Makefile and not run: a suite cannot run itself.
"""

from __future__ import annotations

import doctest
import random
import re
import socket
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from app_framework.boot import ConfigurationError
from app_framework.testing import ContextRunner
from tests.docs.terminal import Terminal, difference

ROOT = Path(__file__).resolve().parents[2]
PORT_SHOWN = "8080"
DEFAULT = "default of ServerProperties"
"""Where the page really means 8080."""

_FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)$\n", re.MULTILINE))
_TARGET = re.compile(r"make (?P<target>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Args:
        language: the first word behind the fence.
        file: the second word, empty when there is none.
        text: what is inside.
        line: where the fence is, from 1.
    """

    language: str
    file: str
    text: str
    line: int


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
        self.terminal = Terminal(folder, environ)
        self._port = str(free_port())
        self._module = types.ModuleType("page")
        sys.modules["page"] = self._module  # where type hints are looked up
        self._kinds = {"console": self._console, "python": self._run_python, "yaml": self._check_yaml}

    def run(self) -> None:
        """Evaluate every block."""
        for example in Document.parse(str(self.path), self._regions).examples():
            example.evaluate()

    def close(self) -> None:
        """End the shell, and the node if one still runs."""
        del sys.modules["page"]
        self.terminal.close()

    def _regions(self, document: Document) -> Iterable[Region]:
        for region in _FENCES(document):
            block = block_of(region, document)
            region.parsed = block
            region.evaluator = self._evaluate
            yield region

    def _evaluate(self, example: Example) -> str | None:
        block: Block = example.parsed
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
        return "".join(line if DEFAULT in line else line.replace(PORT_SHOWN, self._port) for line in lines)


def block_of(region: Region, document: Document) -> Block:
    """Return what a fence says and holds."""
    language, _, file = str(region.lexemes["info"]).strip().partition(" ")
    line = document.text.count("\n", 0, region.start) + 1
    return Block(language, file.strip(), str(region.lexemes["source"]), line)


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page without running them."""
    document = Document(path.read_text(encoding="utf-8"), str(path))
    return [block_of(region, document) for region in _FENCES(document)]


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


def free_port() -> int:
    """Return a free port of four digits, so that columns in error messages stay where the page has them."""
    while True:
        port = random.randrange(2000, 9999)
        with socket.socket() as probe:
            if port != int(PORT_SHOWN) and probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
