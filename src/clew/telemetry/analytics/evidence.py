"""What shows a finding: exact quantiles, a trace to look at, and the question to ask next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from clew.base.times import format_time
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.subjects import both_windows
from clew.telemetry.analytics.templates import PLACEHOLDER
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.window import SECONDS, time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.verdicts import Finding
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

Key = tuple[str, str | None]
"""A service, and one of its operations or None for all of it."""

_ERRORS_FROM: Final = SEVERITY_CLASSES["error"][0]


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Traces of one subject: the slowest span, the slowest failed one, and the newest."""

    slowest: str | None
    failed: str | None
    newest: str | None


def read_p95_ms(
    store: Store,
    snapshot: Snapshot,
    current: Window,
    baseline: Window,
    subjects: Collection[Key],
) -> Mapping[Key, tuple[float, float]]:
    """Return the exact p95 of both windows, of some services and operations, in milliseconds."""
    is_current = f"({time_condition(TRACES, current.range)})"
    rows = _by_subject(
        store,
        snapshot,
        both_windows(TRACES, current, baseline),
        ("Duration", "Timestamp", SECONDS),
        (
            Aggregate("now", "quantileExactIf(0.95)", f"Duration, {is_current}"),
            Aggregate("before", "quantileExactIf(0.95)", f"Duration, NOT {is_current}"),
        ),
        subjects,
    )
    return {_key(row): (row["now"] / 1e6, row["before"] / 1e6) for row in rows}


def read_exemplars(
    store: Store, snapshot: Snapshot, window: Window, subjects: Collection[Key]
) -> Mapping[Key, Exemplars]:
    """Return traces to look at from one window, of some services and operations."""
    rows = _by_subject(
        store,
        snapshot,
        time_condition(TRACES, window.range),
        ("Duration", "TraceId", "Timestamp", "StatusCode"),
        # Of equal ones the trace's id decides, so that the answer is always the same one.
        (
            Aggregate("slowest", "argMax", "TraceId, (Duration, TraceId)"),
            Aggregate(
                "failed_one", "argMaxIf", "TraceId, (Duration, TraceId), StatusCode = 'Error'"
            ),
            Aggregate("newest", "argMax", "TraceId, (Timestamp, TraceId)"),
        ),
        subjects,
    )
    return {
        _key(row): Exemplars(row["slowest"] or None, row["failed_one"] or None, row["newest"])
        for row in rows
    }


def read_log_exemplars(
    store: Store, snapshot: Snapshot, window: Window, services: Collection[str]
) -> Mapping[str, str]:
    """Return, by service, the trace of the newest error record that has one."""
    if not services:
        return {}
    groups = Groups(
        LOGS,
        {"service": "ServiceName"},
        (Aggregate("trace", "argMax", "TraceId, (Timestamp, TraceId)"),),
        ("ServiceName", "TraceId", "Timestamp"),
    )
    sql, scan = groups.ask(
        snapshot,
        "logs",
        f"{time_condition(LOGS, window.range)} AND {SEVERITY_SQL} >= {_ERRORS_FROM}"
        " AND TraceId != '' AND ServiceName IN {services:Array(String)}",
    )
    rows = store.engine.query(
        sql,
        snapshot=snapshot,
        scans={"logs": scan},
        parameters={"services": sorted(services)},
        limits=LIMITS,
    ).to_pylist()
    return {row["service"]: row["trace"] for row in rows}


def ask_further(finding: Finding, current: Window, baseline: Window) -> doc.Question:
    """Return the question whose answer holds the records behind a finding."""
    subject = finding.subject
    window = baseline if finding.kind.startswith("vanished_") else current
    pairs = [("service", subject.service)]
    noun = "traces"
    if subject.operation is not None:
        pairs.append(("q", f"operation = {quote_value(subject.operation)}"))
    match finding.kind:
        case "error_rate":
            pairs.append(("status", "error"))
        case "p95_latency":
            pairs.append(("min_duration_ms", f"{finding.baseline:.6g}"))
        case "error_logs":
            noun = "logs"
            pairs.append(("min_severity", "error"))
        case "new_log_pattern":
            noun = "logs"
            part = _telling_part(finding.pattern or "")
            # A pattern of placeholders alone has nothing to search for; empty texts are refused.
            pairs += [("body_contains", part)] if part else []
        case "new_service" | "vanished_service" if not _has_spans(finding):
            noun = "logs"
        case _:
            noun = "traces"
    pairs.append(("start", format_time(window.start)))
    if not window.is_open:
        pairs.append(("end", format_time(window.end)))
    return question(noun, pairs)


def question(noun: str, pairs: list[tuple[str, str]]) -> doc.Question:
    """Return a question as a command line for a shell and as an address."""
    words = ["clew", noun]
    for name, value in pairs:
        words += [_FLAGS.get(name, f"--{name.replace('_', '-')}"), value]
    return doc.Question(cli=shlex.join(words), rest=f"/api/v1/{noun}?{urlencode(pairs)}")


def quote_value(text: str) -> str:
    """Return a text as a value of a filter expression."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for character, letter in (("\n", "n"), ("\t", "t"), ("\r", "r")):
        escaped = escaped.replace(character, f"\\{letter}")
    return f'"{escaped}"'


_FLAGS: Final = {"min_duration_ms": "--min-duration"}


def _has_spans(finding: Finding) -> bool:
    subject = finding.subject
    return bool(subject.current.spans or subject.baseline.spans)


def _telling_part(pattern: str) -> str:
    """Return the longest text of a pattern that every record of it has."""
    return max((part.strip() for part in pattern.split(PLACEHOLDER)), key=len)


def _by_subject(
    store: Store,
    snapshot: Snapshot,
    where: str,
    columns: tuple[str, ...],
    figures: tuple[Aggregate, ...],
    subjects: Collection[Key],
) -> list[dict[str, Any]]:
    if not subjects:
        return []
    groups = Groups(
        TRACES,
        {"service": "ServiceName", "operation": "SpanName"},
        figures,
        ("ServiceName", "SpanName", *columns),
    )
    sql, scan = groups.ask(
        snapshot,
        "spans",
        f"{where} AND ServiceName IN {{services:Array(String)}}",
        sets="GROUPING SETS ((service, operation), (service))",
    )
    rows: list[dict[str, Any]] = store.engine.query(
        # Names may hold ids: no more rows come out than were asked about.
        f"{sql} HAVING no_operation OR operation IN {{operations:Array(String)}}",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={
            "services": sorted({service for service, _ in subjects}),
            "operations": sorted({name for _, name in subjects if name is not None}),
        },
        limits=LIMITS,
    ).to_pylist()
    return rows


def _key(row: Mapping[str, Any]) -> Key:
    return row["service"], None if row["no_operation"] else row["operation"]
