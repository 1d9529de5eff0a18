"""SIGTERM and SIGINT: what they do before an application starts, while it starts, and while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.boot.context import ApplicationContext

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """The signals that end one application.

    Args:
        context: the application.

    Attributes:
        number: the last signal that came; SIGINT as long as none did.
    """

    def __init__(self, context: ApplicationContext) -> None:
        self.number: int = signal.SIGINT
        self._context = context
        self._asked = 0

    @contextlib.contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Let SIGINT end the process as SIGTERM does, while there is nothing to close yet.

        As a KeyboardInterrupt it would be raised anywhere, and a library may swallow it or turn it into an error of
        its own; then the application would start as if nobody had asked it to stop.
        """
        python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not python_raises or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextlib.contextmanager
    def stopping_in_order(self) -> Iterator[None]:
        """Stop the application at the first signal, whether it runs or still starts; at the second, leave at once."""
        loop, starter = asyncio.get_running_loop(), asyncio.current_task()
        assert starter is not None
        for number in _STOPPING:
            loop.add_signal_handler(number, self._stop, number, starter)
        try:
            yield
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)

    def _stop(self, number: int, starter: asyncio.Task[object]) -> None:
        self.number = number
        self._asked += 1
        if self._asked > 1:
            os._exit(128 + number)
        if self._context.is_starting:
            starter.cancel()  # what is created so far is closed in reverse
        self._context.request_stop()
