"""The `clew` entry point: the command tree, composed and run.

`clew.surfaces.cli` brings the commands that ask a server; the ones that are made of the server's
side are declared here, by name, and imported when they run. The demo stands a floor above this one,
so its name is all that is known of it here.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Final

from clew.app.streams import hold_streams

if TYPE_CHECKING:
    from cyclopts import App

    from clew.surfaces.cli.tree.command import Command

COLLECT_OBJECTS: Final = 50_000
"""New objects before the collector looks at them. Loading a command makes some hundred thousand,
nearly all of which stay: at Python's own 700 looking at them was an eighth of a short command."""


def build() -> App:
    """Return the whole command tree."""
    from clew.surfaces.cli.tree.table import build_app

    return build_app(commands())


def commands() -> tuple[Command, ...]:
    """Return the commands of the server's side."""
    from clew.surfaces.cli.tree.command import RUN, Command

    return (
        Command(
            "serve",
            "clew.app.serving:serve",
            RUN,
            "Start a server: OTLP in, durable, queryable at once.",
            (
                "Every flag is also an environment variable and a key of clew.toml; clew "
                "config shows which of them counts. Ctrl-C ends it after the requests "
                "that are running."
            ),
            (
                ("clew serve", "on loopback, data in the user's data folder"),
                (
                    "clew serve --data-dir ./telemetry --retention-traces 7d",
                    "elsewhere, for a week",
                ),
                ("clew serve --otlp-grpc off", "with a door shut"),
            ),
        ),
        Command(
            "demo",
            "clew.demo.command:demo",
            RUN,
            (
                "Run a small real system and a tree of processes, "
                "and show what the server knows of them."
            ),
            (
                "Two services and an agent that uses tools send traces, logs and metrics "
                "through the official OpenTelemetry SDK for a few seconds."
            ),
            (
                ("clew demo", "about five seconds"),
                ("clew demo --requests 500 --seed 7", "more, and the same each time"),
                ("clew demo --stay 10m", "a tree that goes on until you stop it, on the page say"),
            ),
        ),
        Command(
            "doctor",
            "clew.app.commands:doctor",
            RUN,
            "Look whether everything is well, and say what to do where it is not.",
            "Exit code 1 when any check fails.",
            (("clew doctor", "a line per check"), ("clew doctor --format json", "for a program")),
        ),
        Command(
            "config",
            "clew.app.commands:config",
            RUN,
            "Show every setting with its value, and where the value comes from.",
            "",
            (
                ("clew config", "what clew serve would use"),
                ("clew config --config ./clew.toml", "with this file"),
            ),
        ),
        Command(
            "keys create",
            "clew.app.keys:create",
            RUN,
            "Make an API key, and show it this once.",
            (
                "From the first key on, which is an admin's, every door asks for one, and "
                "addresses that other machines reach need no --insecure. Roles: reader (asks), "
                "writer (adds telemetry and comments too), operator (steers and cancels apps too), "
                "admin (anything)."
            ),
            (
                (
                    "clew keys create ops --role admin --offline",
                    "the first, before a server runs",
                ),
                (
                    "clew keys create ci --role writer --expires-in 90d",
                    "for what sends telemetry",
                ),
            ),
        ),
        Command(
            "keys list",
            "clew.app.keys:list_",
            RUN,
            "Show keys: what each may do, and when it was used last.",
            "",
            (
                ("clew keys list", "those that are valid"),
                ("clew keys list --state all", "and those that were"),
            ),
        ),
        Command(
            "keys revoke",
            "clew.app.keys:revoke",
            RUN,
            "Take a key out of use, at once and for good.",
            "Live feeds that were opened with it end.",
            (("clew keys revoke 1c9bd42a8288bf40", "by the id that the list shows"),),
        ),
        Command(
            "keys forget",
            "clew.app.keys:forget",
            RUN,
            "Remove every key, so that the server asks for none any more.",
            "",
            (("clew keys forget --offline", "while no server runs"),),
        ),
    )


def main() -> int:
    """Run the command line of this process; return its exit code."""
    hold_streams()
    if sys.argv[1:] == ["--version"]:
        # Asked by scripts and packagers; it need not load a command line first.
        from importlib.metadata import version

        sys.stdout.write(f"{version('clew')}\n")
        return 0
    gc.set_threshold(COLLECT_OBJECTS, *gc.get_threshold()[1:])
    from clew.surfaces.cli.program import run

    try:
        return run(build(), sys.argv[1:])
    finally:
        # The process ends: to look for what could be freed took a fifth of a short command.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
