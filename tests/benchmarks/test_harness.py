"""The benchmarks measure what they say, judge by their rule and leave nothing behind; no time is judged here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from benchmarks.__main__ import OPENINGS, main
from benchmarks.comparison import OURS, Case, Line, Samples, Target, measure
from benchmarks.configuration import large_yaml
from benchmarks.processes import python, served
from benchmarks.report import page
from benchmarks.start import BARE_NODE, HEALTH

QUIET: Callable[[str], None] = lambda _: None  # noqa: E731


def line(ours: Sequence[float], theirs: Sequence[float], target: Target) -> Line:
    case = Case("case", "A case", lambda: 0.0, {"the reference": lambda: 0.0}, target)
    return Line(case, Samples(ours), "the reference", Samples(theirs), target)


def test_every_round_takes_every_side_once() -> None:
    """No side is measured more often, and a round is finished before the next begins."""
    taken: list[str] = []

    def side(name: str, ms: float) -> Callable[[], float]:
        return lambda: taken.append(name) or ms  # type: ignore[func-returns-value]

    @contextmanager
    def cases() -> Iterator[Sequence[Case]]:
        yield [Case("a", "A", side(OURS, 3.0), {"x": side("x", 2.0), "y": side("y", 1.0)}, Target(2.0))]

    to_x, to_y = measure([cases], rounds=5, time_limit_s=60, tell=QUIET)
    assert [sorted(taken[start : start + 3]) for start in range(0, 15, 3)] == [[OURS, "x", "y"]] * 5
    assert (to_x.ratio, to_x.verdict) == (1.5, "met")
    assert (to_y.ratio, to_y.verdict) == (3.0, "")


def test_rounds_end_when_the_time_is_over() -> None:
    @contextmanager
    def cases() -> Iterator[Sequence[Case]]:
        yield [Case("a", "A", lambda: 1.0)]

    (only,) = measure([cases], rounds=100, time_limit_s=0, tell=QUIET)
    assert only.ours.ms == [1.0]


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [([2.0, 2.1, 2.2], "met"), ([2.0, 4.0, 4.1], "unclear"), ([3.9, 4.0, 4.1], "missed")],
)
def test_a_target_is_missed_only_when_median_and_best_breach_it(ours: Sequence[float], verdict: str) -> None:
    assert line(ours, [2.0, 2.0, 2.0], Target(1.5)).verdict == verdict


def test_a_ratio_compares_within_rounds() -> None:
    """A round in which the machine was busy is slow on both sides and says as much as any other."""
    assert line([1.5, 15.0, 150.0], [1.0, 10.0, 100.0], Target(1.6)).ratio == 1.5


def test_the_page_is_a_table_with_its_rules() -> None:
    lines = [line([12.0, 14.0, 13.0], [10.0, 10.0, 10.0], Target(1.1, binding=False))]
    text = page(lines, [], ["2 cores"], trials=20, elapsed_s=9.6)
    assert "| A case | 13.0 (12.0) | the reference | 10.0 (10.0) | 1.30 (1.20) | (≤ 1.10) | missed |" in text
    assert "- 2 cores" in text
    assert "the median of 3 rounds" in text


def test_the_configuration_has_as_many_lines_as_it_says() -> None:
    assert 1990 <= len(large_yaml(2000).splitlines()) <= 2010


def test_a_server_ends_with_its_block() -> None:
    with served(BARE_NODE, HEALTH) as server:
        url = f"http://127.0.0.1:{server.port}{HEALTH}"
        with urlopen(url) as answer:
            assert answer.status == 200
    with pytest.raises(URLError):
        urlopen(url)


def test_a_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="out of flour"),
        served(python("-c", "raise SystemExit('out of flour')"), "/"),
    ):
        pass


def test_a_run_of_all_rounds_writes_every_case(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One round of every comparison, on real processes; whether targets are met is not asked."""
    main(["--only", ",".join(OPENINGS), "--rounds", "1", "--output", str(tmp_path / "results.md")])
    written = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert len([row for row in written.splitlines() if row.startswith("| ")]) > len(OPENINGS)
    assert "round 1 of 1" in capfd.readouterr().err
