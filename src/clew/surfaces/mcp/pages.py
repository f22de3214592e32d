"""The pages for agents: the skill, and `llms.txt`, the contract in short."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

SKILL_NAME: Final = "SKILL.md"
CONTRACT_NAME: Final = "llms.txt"


@functools.cache
def read_skill() -> str:
    """Return the skill file as `clew skill install` writes it."""
    return _read(SKILL_NAME)


@functools.cache
def read_contract() -> str:
    """Return the contract as ``/llms.txt`` answers it."""
    return _read(CONTRACT_NAME)


def _read(name: str) -> str:
    # `importlib.resources` would take 15 ms of every start of a server.
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
