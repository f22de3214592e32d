"""Commands that have others below them: `clew lineage ID` beside `clew lineage tap`.

What such a command is and takes is known only from its module, which is imported when it is used.
So the table of commands gives ``clew.surfaces.cli.tree.heads:NAME`` for it, and what that is, is
made here when somebody asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cyclopts import App

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.cli.tree.command import Command


def find_heads(commands: Sequence[Command]) -> frozenset[str]:
    """Return the names of commands that others have as their first word."""
    families = {command.name.rpartition(" ")[0] for command in commands}
    return frozenset(families & {command.name for command in commands})


def head_target(name: str) -> str:
    """Return where a head is found once it is used."""
    return f"{__name__}:{name.replace('-', '_')}"


def open_head(name: str, commands: Sequence[Command]) -> App:
    """Return a command that runs by itself, and has those of a table below it that are its own.

    The word behind it is one of theirs if there is such a command, and an argument if there is not.
    """
    (head,) = (each for each in commands if each.name == name)
    module, _, function = head.target.partition(":")
    app = App(name=name, help=head.help, help_epilogue=head.epilogue(), version_flags=[])
    app.default(getattr(import_module(module), function))
    for place, each in enumerate(commands):
        family, _, last = each.name.rpartition(" ")
        if family == name:
            app.command(
                each.target,
                name=last,
                sort_key=place,
                help=each.help,
                group="Commands",
                help_epilogue=each.epilogue(),
            )
    return app


def __getattr__(name: str) -> App:
    """Return the head of a name.

    Raises:
        AttributeError: no command of that name has others below it.
    """
    # Python itself asks for names such as `__path__`, and does so while the table is still made.
    if not name.startswith("_"):
        from clew.surfaces.cli.tree.table import COMMANDS

        spelt = name.replace("_", "-")
        if spelt in find_heads(COMMANDS):
            return open_head(spelt, COMMANDS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
