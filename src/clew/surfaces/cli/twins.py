"""The commands of the twin: what objects were, and how they came to be so."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.command import LOOK, Command

_TWIN: Final = "clew.surfaces.cli.commands.twin"

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "objects",
        f"{_TWIN}:objects",
        LOOK,
        "List the objects that the system is made of, as they are now.",
        "Those that changed last come first.",
        (
            ("clew objects", "what there is"),
            ("clew objects ShoppingCart --last 15m", "carts that something happened to lately"),
            ("clew objects --id cart_123", "an object whose type you do not know"),
        ),
    ),
    Command(
        "twin",
        f"{_TWIN}:twin",
        LOOK,
        "Show what an object was at a moment: its fields, its version, its last event.",
        (
            "A moment is inclusive. It is a time, or a place in the course of events: event:ID "
            "(just after that event), span:ID (just after the last event of that span)."
        ),
        (
            ("clew twin ShoppingCart cart_123", "as it is now"),
            ("clew twin ShoppingCart cart_123 --at 15m", "as it was a quarter of an hour ago"),
            (
                "clew twin ShoppingCart cart_123 --at span:00f067aa0ba902b7",
                "as a span left it behind",
            ),
        ),
    ),
)
