"""The commands of the twin: what objects were, and how they came to be so."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import LOOK, Command

_TWIN: Final = "clew.surfaces.cli.commands.twin"
_PROCESSES: Final = "clew.surfaces.cli.commands.processes"
_TIMELINE: Final = "clew.surfaces.cli.commands.timeline"

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
    Command(
        "timeline",
        f"{_TIMELINE}:timeline",
        LOOK,
        "List the events of an object, the oldest first: what each changed, and in which span.",
        "",
        (
            ("clew timeline ShoppingCart cart_123", "its whole life"),
            ("clew timeline ShoppingCart cart_123 --field status", "what touched a field"),
            ("clew timeline ShoppingCart cart_123 --last 1h --segment 5m", "how busy it was"),
        ),
    ),
    Command(
        "history",
        f"{_TIMELINE}:history",
        LOOK,
        "List the values that a field had, each with the event and the span that set it.",
        "",
        (
            ("clew history ShoppingCart cart_123 status", "how the status went"),
            ("clew history ShoppingCart cart_123 status --newest-first", "who set it last"),
        ),
    ),
    Command(
        "state-diff",
        f"{_TIMELINE}:state_diff",
        LOOK,
        "Show what differs between two moments of an object, and which event changed it.",
        "Moments are times, or places in the course of events: event:ID, span:ID.",
        (
            ("clew state-diff ShoppingCart cart_123 --from 15m", "since a quarter of an hour"),
            (
                "clew state-diff ShoppingCart cart_123 --from event:a1 --to event:a9",
                "between two events",
            ),
        ),
    ),
    Command(
        "graph",
        f"{_TWIN}:graph",
        LOOK,
        "Show an object with all that its references reach, all of it at one instant.",
        "What references are is said by the registry: clew registry push.",
        (
            ("clew graph Order order-9", "an order with its customer and its cart, as of now"),
            ("clew graph Order order-9 --at 15m --depth 2", "as it was, two references deep"),
        ),
    ),
    Command(
        "touched",
        f"{_TWIN}:touched",
        LOOK,
        "Show the objects that a trace touched, as they were at one of its steps.",
        "Steps are the trace's events of objects, from 1.",
        (
            ("clew touched 4bf92f3577b34da6a3ce929d0e0e4736", "as the trace left them"),
            ("clew touched 4bf92f3577b34da6a3ce929d0e0e4736 --step 3", "after its third event"),
        ),
    ),
    Command(
        "processes",
        f"{_PROCESSES}:processes",
        LOOK,
        "List processes, those that started last first: phase, status, and what is stuck.",
        (
            "How long one may take is said by its type: stuck is what nothing more comes of for "
            "as long as that, timed_out what more comes of and what takes longer."
        ),
        (
            ("clew processes --last 1h", "what ran lately"),
            ("clew processes Checkout --stuck", "what does not come to an end"),
            ("clew processes Checkout --phase pay --status failed", "what failed at paying"),
        ),
    ),
    Command(
        "process",
        f"{_PROCESSES}:process",
        LOOK,
        "Show the processes of a trace: phases with their times, who took part, what went wrong.",
        "A process that is named by something else than its trace is found by its id as well.",
        (
            ("clew process 4bf92f3577b34da6a3ce929d0e0e4736", "how the checkout went"),
            ("clew process 4bf92f3577b34da6a3ce929d0e0e4736 --at 15m", "how far it was then"),
        ),
    ),
    Command(
        "rejected",
        f"{_TIMELINE}:rejected",
        LOOK,
        "List events that do not count, the newest first, and why.",
        "They are kept as they came, and are never a part of a state.",
        (
            ("clew rejected --last 1h", "what was refused lately"),
            ("clew rejected --code INVALID_VALUE --type Order", "for one reason"),
            ("clew rejected --warned", "what counts, and looks wrong"),
        ),
    ),
)
