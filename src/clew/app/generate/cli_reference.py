"""Write `docs/reference/cli.md` from the command tree.

``python -m clew.app.generate.cli_reference`` prints the page.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from clew.app.main import build, commands
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.tree.table import COMMANDS

PAGE: Final = Path("docs/reference/cli.md")

# What fits a code block beside a table of contents.
WIDTH: Final = 96

_MEANINGS: Final = {
    ExitCode.OK: "ok",
    ExitCode.FAILED: "failed: a time limit, a full server, a fault; `clew doctor` found something",
    ExitCode.NOTHING_MATCHED: "nothing matched; an empty answer is still written",
    ExitCode.BAD_ARGUMENT: "bad argument or query: a flag, a time, a filter, a statement",
    ExitCode.UNREACHABLE: "the server cannot be reached, or its store does not answer",
    ExitCode.NOT_ALLOWED: "not allowed, such as SQL over other than the telemetry tables",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; live feeds end with 0, as that is how they end",
}

_INTRODUCTION: Final = """\
<!-- Written by `python -m clew.app.generate.cli_reference`; do not edit. -->
# Command line

`clew` asks a server over its REST door; `--server` or `CLEW_SERVER` says which
(`http://127.0.0.1:7701`). The flags of a question are the parameters of the route, and a flag that
is not given is not sent. `--server`, `--format` and `--max-tokens` may stand before the command.

## Answers

| `--format` | what is written |
| --- | --- |
| `table` | for a person, as wide as the terminal; the default on one |
| `json` | the document of the REST route, untouched; the default when piped |
| `ndjson` | one item a line; what the list leaves out (`truncated`, `next`) goes to stderr |

`--max-tokens N` bounds what is written to about N tokens (four characters each). Items are left out
from the end; the answer then says how many (`left_out`) and how to get them: by `next`, which fits
the shortened page, or by asking for less.

Stored text is shown with its control characters escaped, so that nothing in a span's name can act
on the terminal. Colour follows `NO_COLOR` and `FORCE_COLOR`; without a terminal `COLUMNS` sets the
width of tables. Times are shown in the zone of this machine, which the line below a table names.

## Errors

An error is one JSON object on stderr, `{"error", "code", "hint"}`, when stderr is piped, and a line
with a hint on a terminal. When nothing matched, names that the server does not know are answered
with the ones near them.

| exit code | meaning |
| --- | --- |
"""

_COMPLETION: Final = """
## Completion

`clew --install-completion` sets up completion in bash, zsh and fish (`--shell` chooses another
shell than the one it runs in). Services and attribute keys are completed from the server.

"""


def write_page() -> str:
    """Return the page as markdown: what holds for all commands, then the help of each."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in _MEANINGS.items())
    names = [command.name for command in (*commands(), *COMMANDS)]
    parts = [f"## `clew {name}`\n\n```\n{_help(name)}\n```\n" for name in names]
    return _INTRODUCTION + codes + _COMPLETION + "\n".join(parts)


def _help(name: str) -> str:
    """Return what ``clew NAME --help`` prints."""
    page = io.StringIO()
    console = Console(file=page, width=WIDTH, color_system=None, force_terminal=False)
    build().help_print(name.split(), console=console)
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())


if __name__ == "__main__":
    sys.stdout.write(write_page())
