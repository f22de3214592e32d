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
from clew.surfaces.cli.completion import complete_types
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import (
    ANSWER,
    FILTERS,
    Attribute,
    PageText,
    ServerFlags,
    Service,
    Severity,
    Switch,
    read_milliseconds,
)
from clew.surfaces.cli.text import escape_json, show_bytes
from clew.telemetry.query.parameters import LogQuery, MetricQuery, SpanQuery
from clew.telemetry.remote import TelemetryClient
from clew.twin.exports import EventExport, ObjectExport
from clew.twin.parameters import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUERIES: Final[dict[str, type[msgspec.Struct]]] = {
    "traces": SpanQuery,
    "logs": LogQuery,
    "metrics": MetricQuery,
    "objects": ObjectExport,
    "events": EventExport,
}

SignalName = Literal["traces", "logs", "metrics", "objects", "events"]
Encoding = Literal["otlp-json", "otlp-proto", "ndjson", "parquet"]

ENCODINGS: Final[dict[str, tuple[Encoding, ...]]] = {
    "traces": ("otlp-json", "otlp-proto"),
    "logs": ("otlp-json", "otlp-proto"),
    "metrics": ("otlp-json", "otlp-proto"),
    "objects": ("ndjson", "parquet"),
    "events": ("ndjson", "parquet"),
}
"""What each can be written as, what it is written as unless told otherwise first."""

BINARY: Final = ("otlp-proto", "parquet")

_PARQUET_MAGIC: Final = 4
_PARQUET_TAIL: Final = 8


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ExportFlags:
    """Filters of all that can be exported; one that the records do not know is an error."""

    last: PageText = None
    """Only the last 15m, 2h, 7d, 1w, or bare seconds."""

    start: PageText = None
    """From this moment on: RFC 3339, a Unix time, 15m (ago), now."""

    end: PageText = None
    """Up to, not including, this moment."""

    service: Service = None
    """Exact name of the service."""

    attribute: Attribute = None
    """Signals: all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """Traces and logs: a filter expression with and, or, not and parentheses."""

    text: str | None = None
    """Traces and logs: words anywhere in the record. Objects and events: a part of the id."""

    trace_id: str | None = None
    """Traces, logs and events: only this trace."""

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

    type: Annotated[str | None, Parameter(completer=complete_types)] = None
    """Objects and events: of this type; then each of its fields is a column of Parquet."""

    id: str | None = None
    """Objects and events: of this object."""

    at: str | None = None
    """Objects: as they were at a time, 15m (ago), event:ID or span:ID. [default: now]"""

    deleted: Switch = False
    """Objects: those that were gone as well."""

    event_type: Annotated[
        list[EventKind] | None, Parameter(negative=(), consume_multiple=False)
    ] = None
    """Events: repeatable: one of these kinds."""

    changes: Switch = False
    """Events: only those that changed an object."""


Signal = Annotated[SignalName, Parameter(help="What to export.")]
Form = Annotated[
    Encoding | None,
    Parameter(
        name="--format",
        group=ANSWER,
        help=(
            "Signals: OTLP as JSON lines, or as protobuf. Objects and events: JSON lines, or "
            "Parquet. [default: lines, and what the name of the file says]"
        ),
    ),
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
    encoding: Form = None,
    output: Output = None,
    server: ServerFlags | None = None,
) -> ExitCode:
    """Write matching records as files that other programs read."""
    chosen = _choose(signal, encoding, output)
    if chosen in BINARY and output is None and sys.stdout.isatty():
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{'protobuf' if chosen == 'otlp-proto' else chosen} is not for a terminal",
            hint=f"write it to a file with -o FILE, or use --format {ENCODINGS[signal][0]}",
        )
    query = _to_query(signal, flags or ExportFlags())
    client = TelemetryClient((server or ServerFlags()).open())
    with client.export(signal, query, chosen) as stream, _open(output) as sink:
        written, tail = 0, b""
        # A counter must not run through the records themselves.
        is_apart = output is not None or not sys.stdout.isatty()
        for chunk in _with_progress(stream.chunks(), shown=is_apart):
            sink.write(chunk)
            written += len(chunk)
            tail = (tail + chunk)[-_PARQUET_TAIL:]
    if not written or (chosen == "parquet" and _has_no_rows(written, tail)):
        raise ClewError(ErrorCode.NOT_FOUND, f"no {signal} matched", hint="widen the filters")
    if output is not None:
        print_note(f"{show_bytes(written)} written to {output}", bytes=written)
    return ExitCode.OK


def _choose(signal: SignalName, encoding: Encoding | None, output: Path | None) -> Encoding:
    """Return how to write: as told, else as the name of the file says, else as lines."""
    known = ENCODINGS[signal]
    if encoding is None:
        is_table = output is not None and output.suffix == ".parquet"
        return "parquet" if is_table and "parquet" in known else known[0]
    if encoding in known:
        return encoding
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{signal} are not written as {encoding}",
        hint=f"use --format {' or '.join(known)}",
    )


def _has_no_rows(size: int, tail: bytes) -> bool:
    """Whether a Parquet file is but its magic, its footer, the footer's length and the magic."""
    footer = int.from_bytes(tail[:4], "little")
    return size == _PARQUET_MAGIC + footer + _PARQUET_TAIL


def _to_query(signal: SignalName, flags: ExportFlags) -> msgspec.Struct:
    kind = QUERIES[signal]
    known = {field.name for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {
        field.name: getattr(flags, field.name)
        for field in dataclasses.fields(flags)
        if getattr(flags, field.name) not in (None, False)
    }
    for name in given:
        if name not in known:
            flag = "--" + name.removesuffix("_ms").replace("_", "-")
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"{flag} says nothing about {signal}",
                hint=f"leave it out; it knows: {_flags_of(known)}",
            )
    return kind(**given)


def _flags_of(known: set[str]) -> str:
    names = [field.name for field in dataclasses.fields(ExportFlags) if field.name in known]
    return " ".join("--" + name.removesuffix("_ms").replace("_", "-") for name in names)


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
