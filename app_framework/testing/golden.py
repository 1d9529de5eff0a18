"""Golden files: a text that a test expects, kept beside the test and read like documentation.

>>> golden = GoldenFiles(Path("tests/olap/golden"))
>>> golden
GoldenFiles('tests/olap/golden')

A test compares with `golden("plan.sql", sql)`; `pytest --rewrite` writes what the code says now,
and the review of that change is `git diff`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path

Normalise = Callable[[str], str]
"""Takes out of a text what differs from run to run: a port, a duration, a temporary folder."""

DIFF_LINES_MAX = 200
"""A longer difference is cut here: nobody reads it, and the file on disk has the rest."""


class GoldenMismatchError(AssertionError):
    """A text is not what its golden file holds, or the file does not exist yet.

    The message is the whole report: which file, the difference, and how to accept it.
    """

    def __init__(self, path: Path, expected: str | None, actual: str) -> None:
        super().__init__(path, expected, actual)
        self.path = path
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        shown = _shown(self.path)
        if self.expected is None:
            head = f"{shown} does not exist. The text was:\n\n{_cut(self.actual.splitlines())}"
        else:
            head = f"{shown} differs:\n\n{_cut(_difference(shown, self.expected, self.actual))}"
        return f"{head}\n\nIf the new text is right, run the test again with --rewrite and review the diff."


class GoldenFiles:
    """The golden files of one folder; call it with a name and a text to compare them.

    Args:
        directory: where the files are; made when the first one is written.
        rewrite: write every text instead of comparing it.
        normalise: applied to each text in turn before it is compared or written.
    """

    def __init__(self, directory: Path, *, rewrite: bool = False, normalise: Sequence[Normalise] = ()) -> None:
        self.directory = directory
        self.rewrite = rewrite
        self._normalise = tuple(normalise)

    def __call__(self, name: str, text: str, *, normalise: Normalise | None = None) -> None:
        """Compare `text` with the file `name`, or write it when rewriting.

        Line ends and the newline at the end of the file do not count.

        Raises:
            GoldenMismatchError: they differ, or there is no such file.
            ValueError: the name leads out of the folder.
        """
        path = self._path(name)
        for step in (*self._normalise, *([normalise] if normalise else [])):
            text = step(text)
        actual = _ended(text)
        expected = _ended(path.read_text(encoding="utf-8")) if path.exists() else None
        if actual == expected:
            return
        if not self.rewrite:
            raise GoldenMismatchError(path, expected, actual)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8", newline="\n")

    def __repr__(self) -> str:
        return f"GoldenFiles({str(self.directory)!r}{', rewrite=True' if self.rewrite else ''})"

    def normalised(self, *normalise: Normalise) -> GoldenFiles:
        """The same folder with more to take out of every text."""
        return GoldenFiles(self.directory, rewrite=self.rewrite, normalise=(*self._normalise, *normalise))

    def _path(self, name: str) -> Path:
        path = self.directory / name
        if not path.resolve().is_relative_to(self.directory.resolve()):
            raise ValueError(f"golden file {name!r} is outside {self.directory}")
        return path


def _ended(text: str) -> str:
    """One kind of line end, and exactly one of them at the end of the file."""
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


def _difference(shown: str, expected: str, actual: str) -> list[str]:
    return list(
        unified_diff(expected.splitlines(), actual.splitlines(), fromfile=shown, tofile="this run", lineterm="", n=3)
    )


def _cut(lines: list[str]) -> str:
    rest = len(lines) - DIFF_LINES_MAX
    if rest > 0:
        lines = [*lines[:DIFF_LINES_MAX], f"… and {rest} more lines"]
    return "\n".join(lines)


def _shown(path: Path) -> str:
    """The path as a person would type it from here."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
