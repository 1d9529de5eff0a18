"""AA1: the same rows in one cube and split over several nodes give the same answer, whatever is asked of whatever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from app_framework.database.spare import SpareEngines
from app_framework.testing import DistributionTestHelper
from app_framework.testing.strategies import DistributedCase, distributed_cubes

CASES = 10_000
"""Questions in `make soak`; here a few."""
IS_SOAK = (settings.default or settings()).max_examples > 1_000


@pytest.fixture(scope="module")
def engines() -> Iterator[SpareEngines]:
    with SpareEngines() as spare:
        yield spare


@settings(max_examples=CASES // 3 if IS_SOAK else 8, suppress_health_check=[HealthCheck.too_slow])
@given(case=distributed_cubes())
def test_aa1_a_world_equals_its_parts(engines: SpareEngines, case: DistributedCase) -> None:
    """Integers and decimals exactly, floating numbers to nine digits; what one refuses the other refuses."""
    with DistributionTestHelper(engines=engines) as distribution:
        case.check(distribution)
