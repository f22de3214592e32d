"""The commands of work sessions: what was looked at while something was looked for."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import KEEP, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("session", KEEP, "Keep what you look at and find out, from start to stop."),
)

_SESSION: Final = "clew.surfaces.cli.commands.session"
_WHICH: Final = (
    "A session is named by its id, by the beginning or the end of it, or, by nothing at all, as "
    "the one that is open."
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "session start",
        f"{_SESSION}:start",
        KEEP,
        "Start a work session: what you look at from now on becomes its links.",
        (
            "One is open at a time, for each key, and one of its agents. --kind beside starts any "
            "number more, to which belongs what is asked with CLEW_SESSION set to their id. "
            "CLEW_SESSION=off keeps a command out of every session. What nothing is done in for a "
            "day ends by itself."
        ),
        (
            ("clew session start --plan 45m --title 'why is pay slow'", "and look around"),
            ("clew session start --title 'the bank' --switch", "ends the one that is open"),
        ),
    ),
    Command(
        "session note",
        f"{_SESSION}:note",
        KEEP,
        "Keep what you found out.",
        (
            "It is kept durably when the command ends. BODY - is read from standard input. What it "
            "is about becomes a link. Comments that are made while the session is open are "
            "findings as well."
        ),
        (
            ("clew session note 'the pool is full from 12:04 on'", "in the session that is open"),
            (
                "clew session note slow --span 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7",
                "about a span",
            ),
            ("clew session note 'see also' --session 1b2c4d5e", "in another one, ended or not"),
        ),
    ),
    Command(
        "session show",
        f"{_SESSION}:show",
        KEEP,
        "Show a session: its findings, and what was looked at, with how to get there.",
        _WHICH,
        (
            ("clew session show", "the one that is open"),
            ("clew session show 1b2c4d5e", "another one"),
        ),
    ),
    Command(
        "session stop",
        f"{_SESSION}:stop",
        KEEP,
        "End a session.",
        _WHICH,
        (("clew session stop", "the one that is open"),),
    ),
    Command(
        "session list",
        f"{_SESSION}:list_",
        KEEP,
        "List sessions, the newest first.",
        "",
        (
            ("clew session list --mine", "your own"),
            ("clew session list --open", "who is at work"),
            ("clew session list --team", "what was shared with the chosen team"),
            ("clew session list --owner key:ann --last 7d", "of one, and lately"),
        ),
    ),
    Command(
        "session export",
        f"{_SESSION}:export",
        KEEP,
        "Write a session as Markdown: for the page of an incident.",
        f"{_WHICH} Times are UTC.",
        (
            ("clew session export", "the one that is open"),
            ("clew session export 1b2c4d5e --output incident.md", "into a file"),
        ),
    ),
    Command(
        "session activity",
        f"{_SESSION}:activity",
        KEEP,
        "Show sessions, hours and findings of everybody, of the last week unless told otherwise.",
        "Hours and findings are those within the time.",
        (
            ("clew session activity", "this week"),
            ("clew session activity --last 1d --owner me", "what you did today"),
        ),
    ),
    Command(
        "session change",
        f"{_SESSION}:change",
        KEEP,
        "Give a session another title or plan.",
        _WHICH,
        (
            ("clew session change --title 'the bank was slow'", "the one that is open"),
            ("clew session change 1b2c4d5e --plan none", "without a plan"),
        ),
    ),
    Command(
        "session link",
        f"{_SESSION}:link",
        KEEP,
        "Link something by hand, as if you had looked at it.",
        "",
        (
            ("clew session link --app planner", "an app, by its name"),
            ("clew session link --object ShoppingCart/cart_123", "an object"),
        ),
    ),
    Command(
        "session unlink",
        f"{_SESSION}:unlink",
        KEEP,
        "Remove a link, or a note of yours.",
        "",
        (
            ("clew session unlink --service shop", "what had nothing to do with it"),
            ("clew session unlink --query bba20d1bc62a6120", "a question, by its id"),
            ("clew session unlink --note 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", "a note"),
        ),
    ),
    Command(
        "session delete",
        f"{_SESSION}:delete",
        KEEP,
        "Remove a session with its notes and links for good; comments stay.",
        "",
        (("clew session delete 1b2c4d5e", "it is shown once more"),),
    ),
)
