"""A connection that is open when its loop closes fails the test that left it, not the one in which it is collected."""

from __future__ import annotations

from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Generator

import pytest


class OpenConnections:
    """A plugin of pytest: what loops leave open is an error of the test that has just run."""

    def __init__(self, config: pytest.Config) -> None:
        """Look at every loop before it closes; it knows its connections, only it has no public name for them."""
        self._left: list[str] = []
        patch = pytest.MonkeyPatch()
        config.add_cleanup(patch.undo)
        close = BaseSelectorEventLoop.close

        def look_and_close(loop: BaseSelectorEventLoop) -> None:
            connections = tuple(loop._transports.values()) if not loop.is_closed() else ()  # type: ignore[attr-defined]
            self._left += [f"{each!r}, {each._extra}" for each in connections if each._sock is not None]
            close(loop)

        patch.setattr(BaseSelectorEventLoop, "close", look_and_close)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        """After the fixtures, which may have loops of their own."""
        yield
        left, self._left[:] = tuple(self._left), ()
        if left:
            pytest.fail("open when its loop was closed: " + "; ".join(left), pytrace=False)
