"""Golden files: compared, missing, rewritten; through the fixture as a user's test sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.testing.golden import DIFF_LINES_MAX, GoldenFiles, GoldenMismatchError

PLUGIN = "app_framework.testing.pytest_plugin"

USING_THE_FIXTURE = """
    def test_poem(golden):
        golden("poem.txt", "roses are red\\nviolets are blue\\n")
"""


@pytest.fixture
def files(tmp_path: Path) -> GoldenFiles:
    (tmp_path / "poem.txt").write_text("roses are red\nviolets are blue\n")
    return GoldenFiles(tmp_path)


def test_the_same_text_passes_whatever_its_line_ends(files: GoldenFiles) -> None:
    files("poem.txt", "roses are red\r\nviolets are blue")


def test_another_text_fails_with_a_readable_difference(files: GoldenFiles) -> None:
    """The message holds the lines that differ, the file, and how to accept them."""
    with pytest.raises(GoldenMismatchError) as failure:
        files("poem.txt", "roses are red\nviolets are purple\n")
    assert "-violets are blue\n+violets are purple" in str(failure.value)
    assert "poem.txt differs" in str(failure.value)
    assert "--rewrite" in str(failure.value)


def test_a_missing_file_fails_and_shows_the_text(files: GoldenFiles) -> None:
    with pytest.raises(GoldenMismatchError, match=r"new\.txt does not exist\. The text was:\n\nhello"):
        files("new.txt", "hello")


def test_a_long_difference_is_cut(files: GoldenFiles) -> None:
    with pytest.raises(GoldenMismatchError, match=f"and {1000 - DIFF_LINES_MAX} more lines"):
        files("long.txt", "line\n" * 1000)


def test_rewriting_writes_what_differs_and_passes(files: GoldenFiles) -> None:
    """A file in a folder of its own is made with the folder."""
    rewriting = GoldenFiles(files.directory, rewrite=True)
    rewriting("deep/new.txt", "hello")
    files("deep/new.txt", "hello")
    assert (files.directory / "deep" / "new.txt").read_bytes() == b"hello\n"


def test_normalisation_takes_out_what_differs_from_run_to_run(files: GoldenFiles) -> None:
    """What the folder always takes out comes first, then what one comparison takes out."""
    shouting = files.normalised(str.lower)
    shouting("poem.txt", "ROSES ARE RED\nVIOLETS ARE 17", normalise=lambda text: text.replace("17", "blue"))


def test_a_name_cannot_leave_the_folder(files: GoldenFiles) -> None:
    with pytest.raises(ValueError, match="is outside"):
        files("../elsewhere.txt", "hello")


def test_the_fixture_keeps_files_beside_the_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the file the test fails; `--rewrite` makes it; then the test passes."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the starter may be installed, or not
    pytester.makepyfile(test_poem=USING_THE_FIXTURE)
    assert run(pytester).parseoutcomes() == {"failed": 1}
    assert run(pytester, "--rewrite").parseoutcomes() == {"passed": 1}
    assert (pytester.path / "golden" / "poem.txt").read_text() == "roses are red\nviolets are blue\n"
    assert run(pytester).parseoutcomes() == {"passed": 1}


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A pytest of its own with nothing but our plugin, wherever it is installed."""
    pytester.plugins = [PLUGIN]
    return pytester.runpytest_subprocess(*arguments, "-p", "no:cacheprovider")
