"""What the routes of the comparison do, on either side: as little as possible."""

from __future__ import annotations


class Greeter:
    """Greets."""

    def greet(self, name: str) -> str:
        """Return a greeting."""
        return f"Hello, {name}"
