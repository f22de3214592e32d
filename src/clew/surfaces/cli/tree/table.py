"""The command tree: every command's name, group, help and examples, in one table.

The table names the functions; their modules are imported when a command is used, so that
``clew --help`` and an unknown command cost nothing of them. Commands that need the server or the
demo are declared by `clew.app`, which hands them in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import App, Group, Parameter

from clew.surfaces.cli.tree.accesses import COMMANDS as ACCESS_COMMANDS
from clew.surfaces.cli.tree.accesses import FAMILIES as ACCESS_FAMILIES
from clew.surfaces.cli.tree.apps import COMMANDS as APP_COMMANDS
from clew.surfaces.cli.tree.command import KEEP, LOOK, RUN, STEER, Command, Family
from clew.surfaces.cli.tree.heads import find_heads, head_target
from clew.surfaces.cli.tree.lineages import COMMANDS as LINEAGE_COMMANDS
from clew.surfaces.cli.tree.lineages import FAMILIES as LINEAGE_FAMILIES
from clew.surfaces.cli.tree.registries import COMMANDS as REGISTRY_COMMANDS
from clew.surfaces.cli.tree.registries import FAMILIES as REGISTRY_FAMILIES
from clew.surfaces.cli.tree.running import COMMANDS as RUN_COMMANDS
from clew.surfaces.cli.tree.sessions import COMMANDS as SESSION_COMMANDS
from clew.surfaces.cli.tree.sessions import FAMILIES as SESSION_FAMILIES
from clew.surfaces.cli.tree.teams import COMMANDS as TEAM_COMMANDS
from clew.surfaces.cli.tree.teams import FAMILIES as TEAM_FAMILIES
from clew.surfaces.cli.tree.teams import SHARING as SHARING_COMMANDS
from clew.surfaces.cli.tree.twins import COMMANDS as TWIN_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HELP: Final = (
    "See what a tree of running things did: traces, logs and metrics; steer what runs.\n\n"
    "Answers are tables on a terminal and JSON when piped, the very documents of the REST API. "
    "Exit codes: 0 ok, 1 failed, 2 nothing matched, 3 bad argument or query, "
    "4 server unreachable, 5 not allowed, 6 a condition to exit on holds."
)

FAMILIES: Final[tuple[Family, ...]] = (
    Family("comment", KEEP, "Say something about a trace or a span, and find what was said."),
    *SESSION_FAMILIES,
    *TEAM_FAMILIES,
    Family("keys", RUN, "Say who may reach the server, and what they may do."),
    *ACCESS_FAMILIES,
    *REGISTRY_FAMILIES,
    *LINEAGE_FAMILIES,
    Family("skill", RUN, "Tell agents how to work with clew."),
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "traces",
        "clew.surfaces.cli.commands.traces:traces",
        LOOK,
        "Find spans, or the traces that hold them, newest first.",
        "Filters are ANDed. For OR, NOT and parentheses there is --q.",
        (
            ("clew traces --status error --last 15m", "what failed lately"),
            ("clew traces --service shop --min-duration 500ms", "slow spans of a service"),
            ("clew traces --attribute http.route=/pay --attribute 'user.tier>2'", "by attributes"),
            ("clew traces --view traces --last 1h", "one line per trace"),
            ("clew traces --app planner --subtree", "of an app of the tree and all below it"),
        ),
    ),
    Command(
        "trace",
        "clew.surfaces.cli.commands.traces:trace",
        LOOK,
        ("Show one trace as a tree: when each span ran, what it took itself, what went wrong."),
        ("Spans that the end of the trace waited for (the critical path) have a solid bar."),
        (
            ("clew trace 4bf92f3577b34da6a3ce929d0e0e4736", "the tree, with its logs"),
            ("clew trace 4bf92f3577b34da6a3ce929d0e0e4736 --details", "and every attribute"),
        ),
    ),
    Command(
        "correlate",
        "clew.surfaces.cli.commands.correlate:correlate",
        LOOK,
        "Show everything that belongs to one trace: spans, logs, metrics, links, comments.",
        (
            "Metrics are those of every service it touched, from a minute before it to a minute "
            "after (--margin). Every list says how complete it is."
        ),
        (
            ("clew correlate 4bf92f3577b34da6a3ce929d0e0e4736", "one page about one trace"),
            (
                "clew correlate 4bf92f3577b34da6a3ce929d0e0e4736 --max-tokens 4000",
                "as much of it as fits",
            ),
        ),
    ),
    Command(
        "logs",
        "clew.surfaces.cli.commands.logs:logs",
        LOOK,
        "Find log records, newest first, or follow them as they come in.",
        "",
        (
            ("clew logs --min-severity warn --last 1h", "warnings and worse"),
            ("clew logs --trace-id 4bf92f3577b34da6a3ce929d0e0e4736", "the logs of one trace"),
            ("clew logs --follow --service shop", "as they come in"),
            ("clew logs --app planner", "of one app of the tree, and what the tree says of it"),
        ),
    ),
    Command(
        "metrics",
        "clew.surfaces.cli.commands.metrics:metrics",
        LOOK,
        "Find metric points, newest first.",
        "",
        (
            ("clew metrics --service shop --last 5m", "what a service measured lately"),
            ("clew metrics --name http.server.request.duration", "points of one metric"),
        ),
    ),
    Command(
        "metric",
        "clew.surfaces.cli.commands.metrics:metric",
        LOOK,
        "Show one metric: its type and unit, and how it moved over time.",
        (
            "Piped, the answer is the metric's detail, or its series when --step, "
            "--aggregate, --by, --service or --attribute is given."
        ),
        (
            ("clew metric http.server.request.duration --aggregate p95", "a tail over time"),
            ("clew metric shop.orders --aggregate rate --by outcome", "a rate, split"),
        ),
    ),
    Command(
        "services",
        "clew.surfaces.cli.commands.services:services",
        LOOK,
        "List services with rate, errors and duration, or the operations of one.",
        "",
        (
            ("clew services --last 1h", "who was there, and how well"),
            ("clew services shop", "the operations of one service"),
        ),
    ),
    Command(
        "summary",
        "clew.surfaces.cli.commands.analytics:summary",
        LOOK,
        "Show what happened: rates, errors, durations, logs, metrics and models at a glance.",
        "About the last hour unless told otherwise, exact over every record of it.",
        (
            ("clew summary", "the last hour"),
            ("clew summary --service shop --last 15m", "one service, lately"),
        ),
    ),
    Command(
        "anomalies",
        "clew.surfaces.cli.commands.changes:anomalies",
        LOOK,
        "Show what is not as it was: error rates, durations, traffic, names, log patterns.",
        "The last hour against the six before it unless told otherwise. Each finding says how sure "
        "and how large it is, and how to look further. None is an answer too: exit code 0.",
        (
            ("clew anomalies", "the last hour"),
            (
                "clew anomalies --last 15m --baseline 1d --service shop",
                "one service, against a day",
            ),
        ),
    ),
    Command(
        "diff",
        "clew.surfaces.cli.commands.changes:diff",
        LOOK,
        "Show two windows side by side, and what the bad spans have that the good ones have not.",
        "Failed spans are bad unless told otherwise; where hardly any failed, the slowest are.",
        (
            ("clew diff --service shop", "why do requests fail?"),
            ("clew diff --bad 'operation = pay AND duration > 1s'", "why are these slow?"),
            ("clew diff --last 30m --baseline 1d --against baseline", "what came with the deploy?"),
        ),
    ),
    Command(
        "patterns",
        "clew.surfaces.cli.commands.changes:patterns",
        LOOK,
        "Show what log records say: one line for each pattern, with how many say it.",
        "",
        (
            ("clew patterns --min-severity warn", "what goes wrong, without the repetition"),
            ("clew patterns --service shop --last 6h", "what a service says"),
        ),
    ),
    Command(
        "topology",
        "clew.surfaces.cli.commands.analytics:topology",
        LOOK,
        "Show who calls whom: services, databases, queues and others.",
        "About the last hour unless told otherwise; messages and span links are edges too.",
        (
            ("clew topology --last 15m", "the graph of a quarter of an hour"),
            ("clew topology --service shop", "who calls a service, and whom it calls"),
        ),
    ),
    Command(
        "watch",
        "clew.surfaces.cli.commands.watch:watch",
        LOOK,
        "Sample rates, errors and durations over and over; end when a condition holds.",
        "Piped, a sample is one line of JSON with what changed since the one before. Exit code 6 "
        "when a condition holds, 0 after --max-ticks or Ctrl-C, 4 when the server is gone.",
        (
            ("clew watch --service shop", "a line each ten seconds, over the last minute"),
            (
                "clew watch --last 5m --exit-on 'error_rate > 0.05' --exit-on 'p95_ms > 2x'",
                "until something is wrong",
            ),
            ("clew watch --max-ticks 30 --interval 2s --format json", "for a script"),
        ),
    ),
    Command(
        "attributes",
        "clew.surfaces.cli.commands.services:attributes",
        LOOK,
        "List attribute keys with how often they occur, or the values of one.",
        "",
        (
            ("clew attributes --signal logs", "what log records carry"),
            ("clew attributes http.route", "the values of one key"),
        ),
    ),
    Command(
        "conversations",
        "clew.surfaces.cli.commands.genai:conversations",
        LOOK,
        "List conversations of agents and models with turns, tokens, cost and errors.",
        "Runs of one conversation stand together; a trace that names none is one by itself. "
        "About the last day unless told otherwise.",
        (
            ("clew conversations --last 1h", "who talked lately"),
            ("clew conversations --agent shopper --errors", "where something failed"),
        ),
    ),
    Command(
        "agents",
        "clew.surfaces.cli.commands.genai:agents",
        LOOK,
        "List agents with runs, calls, failing tools, tokens, cost and latency.",
        "About the last day unless told otherwise.",
        (("clew agents --last 1h", "how each agent is doing"),),
    ),
    Command(
        "transcript",
        "clew.surfaces.cli.commands.genai:transcript",
        LOOK,
        "Show a run as a conversation: messages, tool calls, results, errors, tokens and cost.",
        "History that a model is given again is told once. Loops, retries, failing tools and "
        "growing contexts are pointed out above.",
        (
            ("clew transcript 4bf92f3577b34da6a3ce929d0e0e4736", "one trace"),
            ("clew transcript conv-7-3 --max-chars 200", "a conversation, texts cut short"),
        ),
    ),
    Command(
        "sql",
        "clew.surfaces.cli.commands.sql:sql",
        LOOK,
        "Ask in SQL, read-only, over the same rows.",
        ("The dialect is ClickHouse's. --schema shows the tables, their columns, and examples."),
        (
            ("clew sql --schema", "what there is to read"),
            (
                "clew sql 'SELECT ServiceName, count() FROM otel_traces GROUP BY ServiceName'",
                "spans by service",
            ),
            ("clew sql report.sql --format ndjson", "a statement from a file"),
        ),
    ),
    Command(
        "live",
        "clew.surfaces.cli.commands.live:live",
        LOOK,
        "Watch spans and logs as they come in, until Ctrl-C.",
        ("A lost connection is taken up again where it ended. What had to be left out is said."),
        (
            ("clew live", "everything"),
            ("clew live --status error", "failing spans only"),
            ("clew live --min-severity warn --service shop", "warnings of one service"),
        ),
    ),
    Command(
        "export",
        "clew.surfaces.cli.commands.export:export",
        KEEP,
        "Write matching records to a file: signals as OTLP again, objects and events as a table.",
        (
            "otlp-json is one request per line, oldest first; otlp-proto is one serialised "
            "request. ndjson is one object or event per line; Parquet has a column for each of "
            "its parts, and with --type for each field, and opens as a DataFrame."
        ),
        (
            ("clew export traces --last 1h -o spans.ndjson", "the last hour of spans"),
            ("clew export logs --format otlp-proto --service shop -o logs.binpb", "as protobuf"),
            ("clew export objects --type Order --at 1d -o orders.parquet", "a day ago's orders"),
            ("clew export events --type Order --id order-9 --changes", "how one came to be so"),
        ),
    ),
    Command(
        "comment add",
        "clew.surfaces.cli.commands.comments:add",
        KEEP,
        "Say something about a trace, or about one span of it.",
        "It is kept durably when the command ends. BODY - is read from standard input.",
        (
            (
                "clew comment add 4bf92f3577b34da6a3ce929d0e0e4736 'the bank was down'",
                "about a trace",
            ),
            (
                "clew comment add 4bf92f3577b34da6a3ce929d0e0e4736 slow --span-id 00f067aa0ba902b7",
                "about a span",
            ),
        ),
    ),
    Command(
        "comment list",
        "clew.surfaces.cli.commands.comments:list_",
        KEEP,
        "List the comments on a trace as they were written, or all of them, newest first.",
        "",
        (
            ("clew comment list 4bf92f3577b34da6a3ce929d0e0e4736", "what was said of a trace"),
            ("clew comment list --last 1d --author ann", "what ann said lately"),
        ),
    ),
    Command(
        "comment search",
        "clew.surfaces.cli.commands.comments:search",
        KEEP,
        "Find comments by their words, newest first.",
        "All words must occur, in any order; words in double quotes must stand side by side.",
        (
            ("clew comment search 'bank timeout'", "both words, also as the beginning of others"),
            ("clew comment search '\"card declined\"' --last 7d", "a phrase"),
        ),
    ),
    Command(
        "comment edit",
        "clew.surfaces.cli.commands.comments:edit",
        KEEP,
        "Change what a comment says.",
        "It keeps its place, its author and the time it was written; the time of the edit is kept.",
        (
            (
                "clew comment edit 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d 'the bank was slow'",
                "a better word",
            ),
        ),
    ),
    Command(
        "comment delete",
        "clew.surfaces.cli.commands.comments:delete",
        KEEP,
        "Remove a comment for good.",
        "",
        (("clew comment delete 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d", "it is shown once more"),),
    ),
    *SHARING_COMMANDS,
    *SESSION_COMMANDS,
    *TEAM_COMMANDS,
    Command(
        "servers",
        "clew.surfaces.cli.commands.servers:servers",
        RUN,
        "Show who leads a group of servers and how far the others are, or how shards are.",
        (
            "Asks the server that --server names, and then, all at once, the others that it knows. "
            "Any server of a group may be asked. Exit code 1 where nobody leads, or any of them is "
            "not well."
        ),
        (
            ("clew servers", "a line per server"),
            ("clew servers --server http://10.0.0.2:7701", "as another server sees it"),
            ("clew servers --format json", "for a script: `leader` is where to send"),
        ),
    ),
    Command(
        "promote",
        "clew.surfaces.cli.commands.promote:promote",
        RUN,
        "Have a standby lead its group of servers.",
        (
            "It is refused where a leader answers, or where acknowledged records may be missing "
            "at this server. It takes an admin's key, where keys are in use."
        ),
        (("clew promote --server http://10.0.0.2:7701", "once the leader is gone for good"),),
    ),
    Command(
        "ingest",
        "clew.surfaces.cli.commands.ingest:ingest",
        RUN,
        "Show what came in, what was refused, what waits.",
        "",
        (("clew ingest", "a line per signal"),),
    ),
    Command(
        "health",
        "clew.surfaces.cli.commands.health:health",
        RUN,
        "Show limits, sizes, slow questions, losses, and the servers beside it.",
        "",
        (
            ("clew health", "limits, the nearest first; sizes; slow questions; losses"),
            ("clew health --format json", "the same, with every question and table"),
        ),
    ),
    Command(
        "audit",
        "clew.surfaces.cli.commands.access:audit",
        RUN,
        "Show who asked for what, and whether it was allowed.",
        "Every denial is there; those that come too fast are counted. It takes an admin's key.",
        (
            ("clew audit --allowed false --last 1h", "what was denied lately"),
            ("clew audit --caller ci", "what a key was used for"),
        ),
    ),
    Command(
        "whoami",
        "clew.surfaces.cli.commands.access:whoami",
        RUN,
        "Show who the server takes this caller for, and what it may do.",
        "",
        (("clew whoami", "the key of CLEW_API_KEY"),),
    ),
    *ACCESS_COMMANDS,
    Command(
        "mcp",
        "clew.surfaces.cli.commands.mcp:mcp",
        RUN,
        "Answer an agent's client over stdin and stdout, as an MCP server.",
        (
            "Its tools ask the server that --server names, which may start later. A running server "
            "has the same tools at /mcp, over streamable HTTP."
        ),
        (
            ("clew mcp", "what a client starts; in Claude Code: claude mcp add clew -- clew mcp"),
            ("clew mcp --server http://10.0.0.5:7701", "ask a server elsewhere"),
        ),
    ),
    Command(
        "skill install",
        "clew.surfaces.cli.commands.skill:install",
        RUN,
        "Write the skill where an agent's client finds it.",
        "A file that says something else stays, unless --force is given.",
        (
            ("clew skill install", "for every project, in ~/.claude/skills/clew"),
            ("clew skill install --project", "for this one, in ./.claude/skills/clew"),
        ),
    ),
    Command(
        "skill where",
        "clew.surfaces.cli.commands.skill:where",
        RUN,
        "Show where the skill is installed, and whether it is current.",
        "",
        (("clew skill where", "a line per place"),),
    ),
    Command(
        "skill show",
        "clew.surfaces.cli.commands.skill:show",
        RUN,
        "Write the skill to stdout.",
        "",
        (("clew skill show", "read it, or send it into a file of your own"),),
    ),
    *APP_COMMANDS,
    *RUN_COMMANDS,
    *TWIN_COMMANDS,
    *REGISTRY_COMMANDS,
    *LINEAGE_COMMANDS,
)


def build_app(more: Iterable[Command] = ()) -> App:
    """Return the command tree with these commands and `more`.

    Nothing is printed and nothing exits: the caller decides (`clew.surfaces.cli.program`).
    """
    app = App(
        name="clew",
        help=HELP,
        version=_version,
        help_format="plaintext",
        version_flags=["--version"],
        help_flags=["--help", "-h"],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        group_parameters=Group("Flags", sort_key=5),
        group_arguments=Group("Arguments", sort_key=0),
        group_commands=Group("Other", sort_key=9),
    )
    groups = {
        name: Group(name, sort_key=place) for place, name in enumerate((RUN, LOOK, STEER, KEEP))
    }
    families: dict[str, App] = {}
    heads = find_heads(COMMANDS)
    for place, command in enumerate((*more, *COMMANDS)):
        family, _, name = command.name.rpartition(" ")
        if command.name in heads:
            group = groups[command.group]
            app.command(head_target(name), name=name, sort_key=place, group=group)
            continue
        if family in heads:
            continue  # It comes with its head.
        if family and family not in families:
            families[family] = _open_family(family, place, groups)
            outer = family.rpartition(" ")[0]
            (families[outer] if outer else app).command(families[family])
        (families[family] if family else app).command(
            command.target,
            name=name,
            sort_key=place,
            help=command.help,
            group="Commands" if family else groups[command.group],
            help_epilogue=command.epilogue(),
        )
    app.command(
        _completion_installer(app),
        name="--install-completion",
        help="Install completion for bash, zsh or fish.",
        group="Other",
    )
    return app


def _open_family(name: str, place: int, groups: dict[str, Group]) -> App:
    (family,) = (each for each in FAMILIES if each.name == name)
    *outer, last = name.split()
    return App(
        name=last,
        help=family.summary,
        group="Commands" if outer else groups[family.group],
        sort_key=place,
        version_flags=[],
    )


def _version() -> str:
    from importlib.metadata import version

    return version("clew")


def _completion_installer(app: App) -> Callable[..., int]:
    def install(
        *,
        shell: Annotated[
            Literal["bash", "zsh", "fish"] | None,
            Parameter(help="The shell. [default: the one this runs in]"),
        ] = None,
        output: Annotated[
            Path | None,
            Parameter(name=("--output", "-o"), help="Write the script here, and change no file."),
        ] = None,
    ) -> int:
        from clew.surfaces.cli.completion import install_completion

        return install_completion(app, shell, output)

    return install
