"""Our own comparison of versions says what `packaging` says."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from app_framework.boot.version_range import is_in_range

releases = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
clauses = st.tuples(st.sampled_from([">=", "<=", "<", ">"]), releases).map("".join)
ranges = st.lists(clauses, max_size=3).map(",".join)


@given(releases, ranges)
def test_a_release_fits_the_ranges_that_packaging_says_it_fits(version: str, range_: str) -> None:
    """For every range that is compared here."""
    assert is_in_range(version, range_) is SpecifierSet(range_).contains(version, prereleases=True)


def test_other_ranges_and_versions_are_left_to_packaging() -> None:
    """Compatible releases, exclusions, pre-releases."""
    assert is_in_range("0.1.3", "~=0.1.0")
    assert not is_in_range("0.1.3", "!=0.1.3")
    assert is_in_range("0.2.0rc1", ">=0.1")
    assert "packaging" in sys.modules
