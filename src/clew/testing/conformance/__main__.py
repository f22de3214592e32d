"""``python -m clew.testing.conformance ADDRESS``."""

from __future__ import annotations

from clew.testing.conformance.command import main

if __name__ == "__main__":
    raise SystemExit(main())
