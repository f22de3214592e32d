"""`clew export`."""

from __future__ import annotations

import codecs
import dataclasses
import errno
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import (
    ANSWER,
    FILTERS,
    Attribute,
    PageText,
    ServerFlags,
    Service,
    Severity,
    read_milliseconds,
)
from clew.surfaces.cli.text import escape_json, show_bytes
from clew.telemetry.query.parameters import LogQuery, MetricQuery, SpanQuery
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUERIES: Final[dict[str, type[msgspec.Struct]]] = {
    "traces": SpanQuery,
    "logs": LogQuery,
    "metrics": MetricQuery,
}

SignalName = Literal["traces", "logs", "metrics"]
Encoding = Literal["otlp-json", "otlp-proto"]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ExportFlags:
    """Filters of the three signals; one that the signal does not know is an error."""

    last: PageText = None
    """Only the last 15m, 2h, 7d, 1w, or bare seconds."""

    start: PageText = None
    """From this moment on: RFC 3339, a Unix time, 15m (ago), now."""

    end: PageText = None
    """Up to, not including, this moment."""

    service: Service = None
    """Exact name of the service."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """Traces and logs: a filter expression with and, or, not and parentheses."""

    text: str | None = None
    """Traces and logs: words anywhere in the record."""

    trace_id: str | None = None
    """Traces and logs: only this trace."""

    operation: str | None = None
    """Traces: a part of the operation's name."""

    status: Literal["ok", "error", "unset"] | None = None
    """Traces: status of the span."""

    min_duration_ms: Annotated[
        float | None,
        Parameter(name=("--min-duration", "--min-duration-ms"), converter=read_milliseconds),
    ] = None
    """Traces: at least this long: 100ms, 1s, or bare milliseconds."""

    min_severity: Severity | None = None
    """Logs: this class and above."""

    name: str | None = None
    """Metrics: exact name of the metric."""


Signal = Annotated[SignalName, Parameter(help="What to export.")]
Form = Annotated[
    Encoding,
    Parameter(name="--format", group=ANSWER, help="OTLP as JSON lines, or as protobuf."),
]
Output = Annotated[
    Path | None,
    Parameter(name=("--output", "-o"), group=ANSWER, help="Write to this file, not to stdout."),
]


def export(
    signal: Signal,
    /,
    *,
    flags: ExportFlags | None = None,
    encoding: Form = "otlp-json",
    output: Output = None,
    server: ServerFlags | None = None,
) -> ExitCode:
    """Write matching records as OTLP again."""
    if encoding == "otlp-proto" and output is None and sys.stdout.isatty():
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "protobuf is not for a terminal",
            hint="write it to a file with -o FILE, or use --format otlp-json",
        )
    query = _to_query(signal, flags or ExportFlags())
    client = TelemetryClient((server or ServerFlags()).open())
    with client.export(signal, query, encoding) as stream, _open(output) as sink:
        written = 0
        # A counter must not run through the records themselves.
        is_apart = output is not None or not sys.stdout.isatty()
        for chunk in _with_progress(stream.chunks(), shown=is_apart):
            sink.write(chunk)
            written += len(chunk)
    if not written:
        raise ClewError(ErrorCode.NOT_FOUND, f"no {signal} matched", hint="widen the filters")
    if output is not None:
        print_note(f"{show_bytes(written)} written to {output}", bytes=written)
    return ExitCode.OK


def _to_query(signal: SignalName, flags: ExportFlags) -> msgspec.Struct:
    kind = QUERIES[signal]
    known = {field.name for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {
        field.name: getattr(flags, field.name)
        for field in dataclasses.fields(flags)
        if getattr(flags, field.name) is not None
    }
    for name in given:
        if name not in known:
            flag = "--" + name.removesuffix("_ms").replace("_", "-")
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"{flag} says nothing about {signal}",
                hint=f"leave it out, or use --attribute; see: clew {signal} --help",
            )
    return kind(**given)


@contextmanager
def _open(path: Path | None) -> Iterator[BinaryIO | _HarmlessLines]:
    """Open where the records go; a file appears under its name only once it is whole."""
    if path is None:
        yield _HarmlessLines() if sys.stdout.isatty() else sys.stdout.buffer
        sys.stdout.flush()
        sys.stdout.buffer.flush()
        return
    part = path.parent / f"{path.name}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with part.open("wb") as sink:
            yield sink
        part.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"cannot write {path}: {reason}",
            hint="name a file in a folder that is there and may be written",
        ) from error
    finally:
        # Where it could not be made it cannot be removed either, and that has been said.
        with suppress(OSError):
            part.unlink(missing_ok=True)


class _HarmlessLines:
    """JSON lines on a terminal: the same documents, with nothing in them that it would act on."""

    def __init__(self) -> None:
        # A piece may end in the middle of a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, piece: bytes) -> None:
        sys.stdout.write(escape_json(self._decoder.decode(piece)))


def _with_progress(chunks: Iterable[bytes], *, shown: bool) -> Iterator[bytes]:
    """Yield chunks, with a counter on stderr where that is a terminal."""
    if not (shown and sys.stderr.isatty()):
        yield from chunks
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TimeElapsedColumn
    from rich.progress import TransferSpeedColumn as SpeedColumn

    columns = (SpinnerColumn(), DownloadColumn(), SpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))
