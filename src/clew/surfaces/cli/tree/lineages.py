"""The commands of lineage: where results came from, and the ids that tell."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import KEEP, LOOK, RUN, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("trace-id", KEEP, "Make the ids that lineage is told by, and read what they tell."),
)

_TRACE_IDS: Final = "clew.surfaces.cli.commands.trace_ids"

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "lineage",
        "clew.surfaces.cli.commands.lineages:lineage",
        LOOK,
        "Show which inputs an output was made of, or what was made of it.",
        (
            "Of each id: the stages that made it or handed it on, how long they took, how old it "
            "was when what it went into was put out, its first item (stream and number), the apps "
            "and objects that had to do with it; below an output that was joined, what it took of "
            "which stream, and when that was made. An id that stands above is named again alone."
        ),
        (
            ("clew lineage 7130316800004194303", "why an output exists"),
            ("clew lineage 7130316800004194303 --down", "which results used a bad input"),
            ("clew lineage 7130316800004194303 --path 7130316800000000001", "how one led to it"),
        ),
    ),
    Command(
        "lineage items",
        "clew.surfaces.cli.commands.lineage_lists:items",
        LOOK,
        "Show the items of a trace id, or the trace ids of an item.",
        "Each with the span or log record that tells of it, where there is one.",
        (
            ("clew lineage items --stream-id 3 --seq 17", "which id an item has, of any epoch"),
            ("clew lineage items --trace-id 7130316800004194303", "every item of a chain"),
        ),
    ),
    Command(
        "lineage nodes",
        "clew.surfaces.cli.commands.lineage_lists:nodes",
        LOOK,
        "Show who has which node id on lease, and who had it.",
        "An id tells its node: clew trace-id decode. Leases are kept for 400 days.",
        (
            ("clew lineage nodes", "the last lease of every node id"),
            ("clew lineage nodes --node-id 7", "every process that made ids with it"),
        ),
    ),
    Command(
        "lineage tap",
        "clew.surfaces.cli.commands.lineage_tap:tap",
        LOOK,
        "Show link sets as they come to an address of its own, until Ctrl-C.",
        (
            "It needs no server, and keeps nothing. Messages that are no link sets, or not in "
            "order, are told of on stderr. Where a server listens there is no room for a tap: "
            "send sets to an address of the tap's own."
        ),
        (
            ("clew lineage tap", "where publishers send by default, while no server runs"),
            ("clew lineage tap 127.0.0.1:0", "at any free port, which stderr names"),
            ("clew lineage tap unix:///run/links.sock --limit 10 --format ndjson", "ten, as JSON"),
        ),
    ),
    Command(
        "lineage bridge",
        "clew.surfaces.cli.commands.lineage_bridge:bridge",
        RUN,
        "Forward link sets to another address, under other streams, until Ctrl-C or SIGTERM.",
        (
            "It needs no server. What is sent to --from and is of a stream of --stream goes on "
            "with that stream's target; epoch, number, trace id and inputs stay. Everything else "
            "is counted, by why it did not go on. At the end what waits is sent, for a second at "
            "most."
        ),
        (
            (
                "clew lineage bridge --from 0.0.0.0:7705 --to 10.0.0.5:7704 --stream 7=107",
                "from one network to the server of another",
            ),
            (
                "clew lineage bridge --from unix:///run/l.sock --to 127.0.0.1:7704 --stream 7=7",
                "from a path of the file system, the stream as it is",
            ),
            (
                "clew lineage bridge --from 0.0.0.0:0 --to [::1]:7704 --stream 1=11 --stream 2=12",
                "at any free port, which stderr names; two streams",
            ),
        ),
    ),
    Command(
        "trace-id next",
        f"{_TRACE_IDS}:next_",
        KEEP,
        "Make a trace id, for what begins a lineage.",
        (
            "It needs no server. Without --node-id a node is drawn by lot: good enough to try "
            "things out, but two that draw the same in one millisecond make the same ids."
        ),
        (
            ("clew trace-id next --node-id 7", "one of a producer's own"),
            ("clew trace-id next --node-id 7 --count 100 --format ndjson", "many, one a line"),
        ),
    ),
    Command(
        "trace-id decode",
        f"{_TRACE_IDS}:decode",
        KEEP,
        "Show what a trace id tells: when it was made, by which node, as which of its ids.",
        "It needs no server. An id does not tell its split of bits nor its epoch.",
        (
            ("clew trace-id decode 7130316800004194303", "as the documents have it"),
            ("clew trace-id decode 0xc07001", "as a dump of memory has it"),
        ),
    ),
)
