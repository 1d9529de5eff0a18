"""What the tests of the web room share: an application with nothing but the web starter, and no port."""

from __future__ import annotations

import pytest

from app_framework.testing import ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration


@pytest.fixture
def web() -> ContextRunner:
    """An application that answers in the process only."""
    return ContextRunner(auto=[WebAutoConfiguration]).properties({"server.enabled": False})


@pytest.fixture
def listening() -> ContextRunner:
    """An application that listens on a free port."""
    return ContextRunner(auto=[WebAutoConfiguration]).properties({"server.port": 0})
