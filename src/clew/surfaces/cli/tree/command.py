"""What a command of the CLI is, before anything of it is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LOOK: Final = "Look"
STEER: Final = "Steer"
RUN: Final = "Run"
KEEP: Final = "Keep"


@dataclass(frozen=True, slots=True)
class Family:
    """A command that only holds others: its name is what theirs begin with, one word or two."""

    name: str
    group: str
    summary: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `target` is ``module:function``, `examples` are command lines and why.

    The last word of a name is its own; those before it are the name of its family.
    """

    name: str
    target: str
    group: str
    summary: str
    details: str = ""
    examples: tuple[tuple[str, str], ...] = field(default=())

    @property
    def help(self) -> str:
        """The summary, and what there is to say beside it."""
        return f"{self.summary}\n\n{self.details}" if self.details else self.summary

    def epilogue(self) -> str:
        """Return the examples as the end of the command's help."""
        if not self.examples:
            return ""
        lines = [f"  {line}\n      {why}" for line, why in self.examples]
        return "Examples:\n" + "\n".join(lines)
