"""Commands that need the server's side: `clew serve`, `config` and `doctor`.

`clew.surfaces.cli` knows how to ask a server; what a server is made of is known here. The server
itself is imported when `serve` runs, so the others work with the light install.
"""

from __future__ import annotations

import inspect
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Group, Parameter

from clew.app.configuration import SETTINGS, Loaded, ShownConfiguration, load, show
from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Answer
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
    from collections.abc import Callable

    from clew.app.settings import Setting
    from clew.surfaces.cli.grid import Line

ConfigFile = Annotated[
    Path | None, Parameter(name="--config", help="Read settings from this TOML file.")
]

# What `clew[server]` brings and the light install does not.
SERVER_PACKAGES: Final = ("chdb", "grpc", "pyarrow", "starlette", "uvicorn", "uvloop")

SWITCHES: Final = frozenset(each.name for each in SETTINGS if each.is_switch)

CONFIGURED: Final = Group("Settings", sort_key=1)


def _serve(*, config: Path | None = None, **flags: Any) -> int:
    # A switch can only be turned on: off leaves the word to the environment and the file.
    given = {name: value for name, value in flags.items() if value is not False}
    loaded = load(given, file=config)
    missing = [name for name in SERVER_PACKAGES if find_spec(name) is None]
    if missing:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"the server is not installed ({', '.join(missing)} missing)",
            hint="pip install 'clew[server]'",
        )
    from clew.app.server import leave
    from clew.app.server import serve as run_server

    leave(run_server(loaded.configuration, warnings=loaded.warnings))


def _with_settings(function: Callable[..., int]) -> Callable[..., int]:
    """Give a function the settings as its flags: they are declared once, in `Configuration`."""
    names = {"config": ConfigFile} | {each.name: _flag(each) for each in SETTINGS}
    function.__annotations__ = {**names, "return": int}
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if name in SWITCHES else None,
                annotation=annotation,
            )
            for name, annotation in names.items()
        ],
        return_annotation=int,
    )
    return function


def _flag(setting: Setting) -> Any:
    default = setting.default_shown
    shown = f"{setting.doc} [default: {default}]" if default else setting.doc
    parameter = Parameter(
        name=setting.flag,
        negative=(),
        show_default=False,
        group=CONFIGURED,
        help=shown.replace("`", ""),
    )
    if setting.is_switch:
        return Annotated[bool, parameter]
    if setting.is_list:
        return Annotated[list[str] | None, parameter]
    return Annotated[str | None, parameter]


serve = _with_settings(_serve)


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
    doors = {"--otlp-http": configuration.otlp_http, "--otlp-grpc": configuration.otlp_grpc}
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
