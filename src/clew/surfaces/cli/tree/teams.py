"""The commands of the team: what people and agents found out, shared through a server of theirs."""

from __future__ import annotations

from typing import Final

from clew.surfaces.cli.tree.command import KEEP, RUN, Command, Family

FAMILIES: Final[tuple[Family, ...]] = (
    Family("team", RUN, "Share what you find out with others, through a server of the team's."),
    Family("team query", RUN, "Keep queries for the whole team."),
)

_TEAM: Final = "clew.surfaces.cli.commands.team"
_SYNC: Final = "clew.surfaces.cli.commands.team_sync"
_SHARING: Final = "clew.surfaces.cli.commands.sharing"
_ASKS: Final = "On a terminal it asks once; --yes does not ask."
_NO_NETWORK: Final = "It works without a network; what is written waits, and is sent later."

SHARING: Final[tuple[Command, ...]] = (
    Command(
        "comment share",
        f"{_SHARING}:share_comment",
        KEEP,
        "Share a comment with a team.",
        f"The team must have agreed to share comments: clew team consent. {_NO_NETWORK}",
        (
            ("clew comment share 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", "with the chosen team"),
            (
                "clew comment share 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d --team 'Night watch'",
                "with another one",
            ),
        ),
    ),
    Command(
        "comment unshare",
        f"{_SHARING}:unshare_comment",
        KEEP,
        "Take a comment back: the team's server erases it.",
        _ASKS,
        (("clew comment unshare 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", "it stays here"),),
    ),
    Command(
        "session share",
        f"{_SHARING}:share_session",
        KEEP,
        "Share a session with a team; the copy is kept in step.",
        f"The team must have agreed to share sessions: clew team consent. {_NO_NETWORK}",
        (
            ("clew session share", "the one that is open, with the chosen team"),
            ("clew session share 1b2c4d5e --team 'Night watch'", "another one, with another team"),
        ),
    ),
    Command(
        "session unshare",
        f"{_SHARING}:unshare_session",
        KEEP,
        "Take a session back: the team's server erases it.",
        _ASKS,
        (("clew session unshare 1b2c4d5e", "it stays here"),),
    ),
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "team connect",
        f"{_TEAM}:connect",
        RUN,
        "Become known to a team's server, and keep in step with it.",
        (
            "The password is asked for, or read from CLEW_TEAM_PASSWORD or, with "
            "--password-stdin, from standard input; it is no argument, since lists of processes "
            "show those. Tokens go into the keyring or an encrypted file, never into the clear."
        ),
        (
            ("clew team connect https://team.example.org --email ann@example.org", "asks for it"),
            (
                "clew team connect https://team.example.org --email ci@x.org --password-stdin",
                "in a script, which pipes it in",
            ),
            (
                "clew team connect https://team.example.org --email ann@example.org --totp 123456",
                "with the code of an authenticator",
            ),
        ),
    ),
    Command(
        "team disconnect",
        f"{_TEAM}:disconnect",
        RUN,
        "Go away from a team's server: tokens, queue and copies are wiped here.",
        f"It refuses while something waits to be sent, unless --force gives that up. {_ASKS}",
        (
            ("clew team disconnect", "what is shared stays shared"),
            ("clew team disconnect --force --yes", "in a script, whatever waits"),
        ),
    ),
    Command(
        "team status",
        f"{_TEAM}:status",
        RUN,
        "Show how things stand: connected or not, what waits, what met.",
        "Exit code 0 also when nobody is connected.",
        (("clew team status", "at a glance"), ("clew team status --format json", "for programs")),
    ),
    Command(
        "team list",
        f"{_TEAM}:list_",
        RUN,
        "List the teams that you belong to, and what may be shared with each.",
        "",
        (("clew team list", "the chosen one is marked"),),
    ),
    Command(
        "team create",
        f"{_TEAM}:create",
        RUN,
        "Found a team; you are its owner.",
        _NO_NETWORK,
        (("clew team create 'Night watch'", "and then: clew team invite"),),
    ),
    Command(
        "team choose",
        f"{_TEAM}:choose",
        RUN,
        "Choose the team, or the account, that is meant where none is named.",
        "",
        (
            ("clew team choose 'Night watch'", "by its name"),
            ("clew team choose --account 0f3a5c7e9b1d2f4a6c8e0b2d4f6a8c0e", "another account"),
        ),
    ),
    Command(
        "team join",
        f"{_TEAM}:join",
        RUN,
        "Come into a team by the code of an invite.",
        "",
        (("clew team join CLEW-7K2P9A --name Ann", "and you are called Ann there"),),
    ),
    Command(
        "team leave",
        f"{_TEAM}:leave",
        RUN,
        "Leave a team; the last owner of a team that has others in it cannot.",
        _ASKS,
        (("clew team leave --team 'Night watch'", "what you shared stays there"),),
    ),
    Command(
        "team members",
        f"{_TEAM}:members",
        RUN,
        "List who is in a team: owners, admins, then who joined first.",
        "Without a network it shows who was, when last synced.",
        (("clew team members", "of the chosen team"),),
    ),
    Command(
        "team role",
        f"{_TEAM}:role",
        RUN,
        "Give a member another role; the team's server decides whether you may.",
        "",
        (("clew team role bob@example.org admin", "by their address"),),
    ),
    Command(
        "team remove",
        f"{_TEAM}:remove",
        RUN,
        "Take a member out of a team.",
        _ASKS,
        (("clew team remove bob@example.org", "by their address"),),
    ),
    Command(
        "team invite",
        f"{_TEAM}:invite",
        RUN,
        "Make a way into a team; its code is shown once.",
        "It ends after --expires, and when --uses of it have come in.",
        (
            ("clew team invite", "for one person, within a week"),
            ("clew team invite --uses 5 --expires 12h", "for a room full of people, today"),
            ("clew team invite --role admin", "for somebody who may invite others"),
        ),
    ),
    Command(
        "team invites",
        f"{_TEAM}:invites",
        RUN,
        "List the invites of a team, without their codes.",
        "",
        (("clew team invites", "which are still open"),),
    ),
    Command(
        "team revoke",
        f"{_TEAM}:revoke",
        RUN,
        "Take an invite back.",
        _ASKS,
        (("clew team revoke 0d6f3a1b", "by the end of its id"),),
    ),
    Command(
        "team activity",
        f"{_TEAM}:activity",
        RUN,
        "Show what a team did, by member, and what was shared last.",
        "",
        (("clew team activity", "of the chosen team"),),
    ),
    Command(
        "team consent",
        f"{_TEAM}:consent",
        RUN,
        "Agree, or not any more, that kinds of things may be shared with a team.",
        (
            "Nothing is shared without it, and each session and comment is shared by itself. "
            "Withdrawn: what was not sent yet stays here; what was sent stays there until it is "
            "unshared."
        ),
        (
            ("clew team consent --give sessions,comments", "of the chosen team"),
            ("clew team consent --withdraw comments --team 'Night watch'", "not any more"),
        ),
    ),
    Command(
        "team sync",
        f"{_SYNC}:sync",
        RUN,
        "Send and pull now, and show what came of it.",
        "Exit code 4 when the team's server is not there, 5 when it asks to connect again.",
        (("clew team sync", "the server does so by itself every five minutes"),),
    ),
    Command(
        "team queue",
        f"{_SYNC}:queue",
        RUN,
        "List what waits to be sent, or what was set aside, and why.",
        "",
        (
            ("clew team queue", "in the order in which it is sent"),
            ("clew team queue --failed", "what the server refused"),
        ),
    ),
    Command(
        "team retry",
        f"{_SYNC}:retry",
        RUN,
        "Let what was set aside begin anew.",
        "",
        (
            ("clew team retry", "all of it"),
            ("clew team retry 0d6f3a1b", "one, by the end of its id"),
        ),
    ),
    Command(
        "team clear",
        f"{_SYNC}:clear",
        RUN,
        "Give up what was set aside: what it changed becomes again what the server has.",
        _ASKS,
        (
            ("clew team clear", "all of it"),
            ("clew team clear 0d6f3a1b --yes", "one, without being asked"),
        ),
    ),
    Command(
        "team log",
        f"{_SYNC}:log",
        RUN,
        "List what rounds of the sync did, the last first.",
        "",
        (("clew team log --limit 20", "the last ones"),),
    ),
    Command(
        "team conflicts",
        f"{_SYNC}:conflicts",
        RUN,
        "List versions that met, and who won.",
        "A strategy settled each at once; it is listed until somebody looks at it.",
        (
            ("clew team conflicts", "that nobody decided yet"),
            ("clew team conflicts --resolved", "all that are kept"),
        ),
    ),
    Command(
        "team conflict",
        f"{_SYNC}:conflict",
        RUN,
        "Show the sides of a conflict beside each other.",
        "Fields in which somebody's change is lost are marked with an exclamation mark.",
        (("clew team conflict 0d6f3a1b", "by the end of its id"),),
    ),
    Command(
        "team resolve",
        f"{_SYNC}:resolve",
        RUN,
        "Decide a conflict; it may be decided again.",
        "What that changes is sent with the next sync.",
        (
            ("clew team resolve 0d6f3a1b --take local", "what was written here is to be"),
            ("clew team resolve 0d6f3a1b --take outcome", "leave it as it is, and list it no more"),
            ("clew team resolve 0d6f3a1b --take merged --document both.json", "merged by hand"),
        ),
    ),
    Command(
        "team query save",
        f"{_SYNC}:query_save",
        RUN,
        "Keep a query for a team.",
        (
            "One of the same name becomes this one. The team must have agreed to share queries: "
            f"clew team consent. {_NO_NETWORK}"
        ),
        (
            (
                "clew team query save slow-pay 'SELECT trace_id FROM spans LIMIT 10'",
                "SQL, unless --language says otherwise",
            ),
            ("clew team query save rate - --language promql", "what is piped in"),
        ),
    ),
    Command(
        "team query list",
        f"{_SYNC}:query_list",
        RUN,
        "List the saved queries of a team, by name.",
        "",
        (("clew team query list", "of the chosen team"),),
    ),
    Command(
        "team query delete",
        f"{_SYNC}:query_delete",
        RUN,
        "Delete a saved query, for the whole team.",
        _ASKS,
        (("clew team query delete slow-pay", "by its name"),),
    ),
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
