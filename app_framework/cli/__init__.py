"""The command line, `af`: run a node, see what would be wired and why, ask where a setting comes from.

    $ af run main:app --server.port=0
    $ af config explain server.port

`program.py` has the table of commands; what a command needs is imported when it is invoked (FA10).
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; the entry point of `af` and `app-framework`."""
    from app_framework.cli.program import program

    program.main()
