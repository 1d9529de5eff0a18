"""The command line, `af`: run a node, see what would be wired and why, ask where a setting comes from.

    $ af run main:app --server.port=0
    $ af config explain server.port

`program.py` has the table of commands; what a command needs is imported when it is invoked (FA10).
"""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; the entry point of `af` and `app-framework`."""
    # Until an application takes the signal over there is nothing to close, and a KeyboardInterrupt raised inside an
    # import may be swallowed or turned into another error by the library that is being imported.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from app_framework.cli.program import program

    program.main()
