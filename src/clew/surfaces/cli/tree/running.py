"""The commands that run something in the tree, and those that what runs speaks with."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import STEER, Command

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "exec",
        "clew.surfaces.cli.commands.exec:exec_",
        STEER,
        "Run a command as an app of the tree, and exit as it does.",
        (
            "It gets a process group of its own, which a cancel ends with TERM and then KILL. "
            "Inside another app it is that one's child. Without a server it runs all the same. "
            "Exit code: the command's own, 128 and the number of the signal that ended it, 127 "
            "when there is no such program."
        ),
        (
            ("clew exec -- python train.py --epochs 3", "in the tree under the name python"),
            ("clew exec --name nightly --tag team=data -- make all", "with a name and a tag"),
            ("clew exec --timeout 10m --grace 5s -- ./job", "ended after ten minutes"),
        ),
    ),
    Command(
        "status",
        "clew.surfaces.cli.commands.inside:status",
        STEER,
        "Say how this app is doing, from inside of a command that clew exec runs.",
        "",
        (
            ('clew status \'{"phase": "loading"}\' --progress 0.4', "from a shell script"),
            ("clew status --progress 0.9", "how far it is, and no more"),
        ),
    ),
    Command(
        "result",
        "clew.surfaces.cli.commands.inside:result",
        STEER,
        "Say what came out of this app: the last that it says.",
        "",
        (
            ("clew result '{\"rows\": 1000}'", "from a shell script"),
            ("clew result -", "what is piped in"),
        ),
    ),
    Command(
        "error",
        "clew.surfaces.cli.commands.inside:error",
        STEER,
        "Say that this app failed: the last that it says.",
        "",
        (("clew error 'no space left' --detail '{\"disk\": \"sda1\"}'", "from a shell script"),),
    ),
)
