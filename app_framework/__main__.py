"""`python -m app_framework` is `af`."""

from __future__ import annotations

from app_framework.cli import main

if __name__ == "__main__":
    main()
