"""The commands of the tree: what runs, and how it is steered."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import LOOK, STEER, Command

IDS: Final = "An app is named by its id, the beginning or the end of it, or by its name."

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "tree",
        "clew.surfaces.cli.commands.tree:tree",
        LOOK,
        "Draw the tree of what runs: status, progress, runtime, host.",
        (
            "Without an app: every tree in which something lives, or has ended in the last "
            f"quarter of an hour. {IDS}"
        ),
        (
            ("clew tree", "what runs now"),
            ("clew tree planner --watch", "one tree, drawn anew whenever something happens"),
            ("clew tree --status crashed --status error --all", "what went wrong, and under whom"),
        ),
    ),
    Command(
        "apps",
        "clew.surfaces.cli.commands.apps:apps",
        LOOK,
        "List apps of the tree, the newest first.",
        "",
        (
            ("clew apps --status running", "what runs"),
            ("clew apps --within planner --status crashed", "what crashed below an app"),
        ),
    ),
    Command(
        "app",
        "clew.surfaces.cli.commands.apps:app",
        LOOK,
        "Show one app: who it is, how it stands, what it said last.",
        IDS,
        (("clew app planner", "everything that is known of it"),),
    ),
    Command(
        "messages",
        "clew.surfaces.cli.commands.apps:messages",
        LOOK,
        "List what an app has said: its statuses, results and errors.",
        IDS,
        (("clew messages planner --type Result", "how it ended"),),
    ),
    Command(
        "crashes",
        "clew.surfaces.cli.commands.apps:crashes",
        LOOK,
        "List crashes, the newest first, and whether the apps returned.",
        "",
        (
            ("clew crashes --since 1h", "of the last hour"),
            ("clew crashes --within planner", "below one app"),
        ),
    ),
    Command(
        "send",
        "clew.surfaces.cli.commands.steer:send",
        STEER,
        "Give an app a command of its own vocabulary.",
        (
            "It is kept before it is sent, and waits for an app that is away until --ttl is over. "
            f"{IDS}"
        ),
        (
            ("clew send planner pause", "sent, and no answer waited for"),
            (
                "clew send planner reconfigure --payload '{\"workers\": 4}' --wait 30s",
                "with its answer",
            ),
            ("clew send planner checkpoint --cascade --filter 'worker-*'", "to all below it"),
        ),
    ),
    Command(
        "cancel",
        "clew.surfaces.cli.commands.steer:cancel",
        STEER,
        "Cancel an app, or with --cascade everything below it as well.",
        (
            "Each is asked to end and has the grace for it; then its agent ends its process. "
            f"On a terminal it is shown first who is hit. {IDS}"
        ),
        (
            ("clew cancel planner --cascade --wait", "a whole subtree, until it has ended"),
            ("clew cancel worker-3 --grace 5s --yes", "one app, without asking"),
        ),
    ),
    Command(
        "spawn",
        "clew.surfaces.cli.commands.steer:spawn",
        STEER,
        "Announce a child before you start it, and print what its process needs.",
        "Its process finds its parent and its server in the variable TRAILS_INFO.",
        (
            ("clew spawn worker --parent planner", "what to put into its environment"),
            ("clew spawn worker --export", 'for the shell: eval "$(clew spawn worker --export)"'),
            ("clew spawn planner --tag run=7 --start-deadline 10m", "the root of a new tree"),
        ),
    ),
    Command(
        "wait",
        "clew.surfaces.cli.commands.wait:wait",
        STEER,
        "Wait until apps have ended.",
        (
            "Exit codes of its own: 0 done, 1 error, 2 crashed or never started, 3 timeout, "
            "4 cancelled; 64 wrong arguments, 66 no such app, 69 no server, 77 not allowed. "
            f"The apps are written to stdout when they have ended. {IDS}"
        ),
        (
            ("clew wait worker-3 --timeout 10m", "one app"),
            ("clew wait --parent planner --any --progress", "the first of its children"),
        ),
    ),
)
