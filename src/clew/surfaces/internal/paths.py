"""Where servers of clew ask one another."""

from __future__ import annotations

from typing import Final

SCANS_PATH: Final = "/internal/scans"
FRAMES_PATH: Final = "/internal/frames"
