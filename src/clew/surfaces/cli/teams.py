"""The commands of the team: what people and agents found out, shared through a server of theirs."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.command import RUN, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("team", RUN, "Share what you find out with others, through a server of the team's."),
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "team bootstrap",
        "clew.surfaces.cli.commands.team_bootstrap:bootstrap",
        RUN,
        "Write what sets up a TrailBase server for clew, or look whether one is set up.",
        (
            "A look changes nothing: it asks for what must be refused. --deep makes a team of its "
            "own as well, goes through the life of a row in it, and leaves it. The password is "
            "asked for, or read from CLEW_TEAM_PASSWORD. Exit code 1 when anything is missing."
        ),
        (
            ("clew team bootstrap --write traildepot", "migrations and configuration, to start it"),
            ("clew team bootstrap https://team.example.org --email ann@example.org", "a look"),
            ("clew team bootstrap http://127.0.0.1:4000 --email ann@example.org --deep", "a trial"),
        ),
    ),
)
