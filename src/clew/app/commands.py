"""Commands that know how a server is configured: `clew config` and `doctor`.

`clew.surfaces.cli` knows how to ask a server; what a server is made of is known here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from clew.app.configuration.load import Loaded, load
from clew.app.configuration.shown import ShownConfiguration, show
from clew.app.serving import ConfigFile
from clew.base.errors import ClewError
from clew.remote.answer import Answer
from clew.surfaces.cli import output
from clew.surfaces.cli.doctor import Local, Report, examine
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ANSWER, AnswerFlags, Format
from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.text import escape
from clew.surfaces.cli.views.checks import check_lines
from clew.telemetry.remote import Reply

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line


def config(
    *,
    file: ConfigFile = None,
    format: Annotated[  # noqa: A002 - the name of the flag
        Format | None,
        Parameter(group=ANSWER, help="How the answer is written."),
    ] = None,
) -> ExitCode:
    """Show every setting with its value and its source."""
    loaded = load(file=file)
    document = show(loaded)
    screen = output.find_screen()
    match output.choose_format(format, screen):
        case "json":
            output.write(output.json_text(document, screen))
        case "ndjson":
            output.write(
                "".join(f"{line}\n" for line in output.item_lines(document.settings, screen))
            )
        case "table":
            screen.write_lines(_config_lines(document, screen.width))
    _tell_warnings(loaded)
    return ExitCode.OK


def doctor(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Look whether everything is well."""
    session = Session(answer)
    report = examine(session.client, _local())
    # Found here rather than answered by a server, but shown and bounded like any other answer.
    found = Answer(msgspec.json.encode(report), {})
    session.show(Listing(Reply(found, Report), "checks", "check", check_lines))
    return ExitCode.OK if report.ok else ExitCode.FAILED


def _local() -> Local | None:
    """Return what is configured here, None when the configuration itself is not well."""
    try:
        configuration = load().configuration
    except ClewError as error:
        sys.stderr.write(f"clew: the configuration cannot be read: {escape(error.message)}\n")
        return None
    doors = {
        "--otlp-http": configuration.otlp_http,
        "--otlp-grpc": configuration.otlp_grpc,
        "--trails": configuration.trails,
    }
    return Local(
        doors={flag: (door.host, door.port) for flag, door in doors.items() if door is not None},
        data_dir=configuration.data_dir,
    )


def _tell_warnings(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        sys.stderr.write(f"clew: {escape(warning)}\n")


def _config_lines(document: ShownConfiguration, width: int) -> list[Line]:
    columns = (Column("setting"), Column("value", flexible=True), Column("from", flexible=True))
    rows = [
        [
            plain(setting.name),
            plain(escape(setting.value) or "none"),
            styled(
                escape(setting.source),
                Style.DIM if setting.source == "default" else Style.CYAN,
            ),
        ]
        for setting in document.settings
    ]
    file = f"settings file: {document.file}" if document.file else "no settings file"
    return [*lay_out(columns, rows, width), [], *output.footer(width, escape(file))]
