"""Everything that belongs to one trace: its spans, logs, metrics, objects, links and comments.

Each part is asked of the strand that has it, through the same services as any other question, so
what is here is exactly what those would answer.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from clew.answers import documents as doc
from clew.answers.parameters import LIMIT_MAX, CorrelateQuery
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import (
    NS_PER_MS,
    NS_PER_S,
    TIME_NS_MAX,
    TimeRange,
    format_time,
    parse_duration_ns,
    parse_time,
)
from clew.team.comments.parameters import CommentQuery
from clew.telemetry.documents import LogList
from clew.telemetry.query.parameters import LogQuery, SpanQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.answers.contract import AppSource, KnownApp, MetricSource, ObjectSource
    from clew.team.comments.contract import Comments
    from clew.telemetry.documents import Span, SpanList, Trace
    from clew.telemetry.query.contract import QueryService
    from clew.telemetry.query.metrics.around_documents import SeriesSummaries

MARGIN_NS_MAX: Final = 24 * 3600 * NS_PER_S
"""A day around a trace is no longer around it."""

LINKED_BEFORE_NS: Final = 3600 * NS_PER_S
LINKED_AFTER_NS: Final = 24 * 3600 * NS_PER_S
"""Where spans that link to the trace are looked for. There is no index of links, so this bounds
what is read; a consumer that picks up work later than a day after is found by `clew traces --q`."""

_EXPRESSION_CHARS_MAX: Final = 4000
_SERVICES_MAX: Final = 200
"""What a filter expression holds, with room for the rest of ours."""

_EXCEPTION: Final = "exception"

_APP_ID: Final = "trails.app.id"
"""Resource attribute: the app of the tree that a process is."""

_APP_ID_CHARS: Final = 36


class StrandAnswers:
    """Implements `clew.answers.contract.Answers` over the services of the strands."""

    def __init__(
        self,
        telemetry: QueryService,
        metrics: MetricSource,
        comments: Comments,
        apps: AppSource,
        objects: ObjectSource,
    ) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._comments = comments
        self._apps = apps
        self._objects = objects

    def correlate(self, query: CorrelateQuery) -> doc.CorrelateReport:
        """Return everything that belongs to one trace, each list bounded."""
        limit, margin = _check_limit(query.limit), _read_margin(query.margin)
        trace = self._telemetry.get_trace(query.trace)
        window = _window_of(trace)
        around = TimeRange(max(0, _start(window) - margin), min(TIME_NS_MAX, _end(window) + margin))
        logs = self._telemetry.find_logs(
            LogQuery(trace_id=trace.trace_id, limit=limit, count="exact")
        )
        nearby, is_of_all = self._find_nearby(trace, window, limit)
        metrics = self._metrics.sum_up_series(trace.services, around, limit)
        linking = self._find_linking(trace, window, limit)
        comments = self._comments.find(
            CommentQuery(trace_id=trace.trace_id, order="oldest", limit=limit)
        )
        spans = outline(trace, limit)
        links = _outgoing(trace.spans)
        apps = self._find_apps(trace)
        objects, touched = self._objects.find_in_trace(trace.trace_id, limit)
        sections = doc.Sections(
            spans=_outline_section(trace, spans),
            logs=_list_section(logs, f"clew logs --trace-id {trace.trace_id}"),
            nearby_logs=_nearby_section(nearby, window, is_of_all=is_of_all),
            metrics=_metric_section(metrics, around),
            links=_link_section(trace, links, limit),
            linked_from=_list_section(linking, f"clew traces --q link_trace_id={trace.trace_id}"),
            comments=doc.Section(
                count=comments.count,
                total=comments.total,
                truncated=comments.truncated,
                next=comments.next,
                more=f"clew comment list {trace.trace_id}" if comments.truncated else None,
            ),
            apps=doc.Section(count=len(apps[:limit]), total=len(apps), truncated=len(apps) > limit),
            objects=doc.Section(
                count=len(objects),
                total=touched,
                truncated=touched > len(objects),
                more=f"clew touched {trace.trace_id}" if touched > len(objects) else None,
            ),
        )
        return doc.CorrelateReport(
            trace_id=trace.trace_id,
            span_count=trace.span_count,
            error_count=trace.error_count,
            services=trace.services,
            start_time=trace.start_time,
            end_time=trace.end_time,
            duration_ms=trace.duration_ms,
            spans=spans,
            logs=logs.logs,
            nearby_logs=nearby.logs,
            metrics=metrics.series,
            metrics_start_time=format_time(_start(around)),
            metrics_end_time=format_time(_end(around)),
            links=links[:limit],
            linked_from=[_incoming(span, trace.trace_id) for span in linking.spans],
            comments=comments.comments,
            apps=apps[:limit],
            objects=objects,
            missing_parents=trace.missing_parents[:limit],
            sections=sections,
        )

    def _find_apps(self, trace: Trace) -> list[doc.TraceApp]:
        """Return the apps of the tree whose processes wrote spans of the trace."""
        spans: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for span in trace.spans:
            app_id = span.resource.get(_APP_ID)
            # What a resource says of itself is anybody's to write.
            if isinstance(app_id, str) and len(app_id) == _APP_ID_CHARS:
                spans[app_id] += 1
                errors[app_id] += span.status == "error"
        known = self._apps.find_known(spans) if spans else {}
        return [
            _trace_app(app_id, known.get(app_id), count, errors[app_id])
            for app_id, count in spans.most_common()
        ]

    def _find_nearby(self, trace: Trace, window: TimeRange, limit: int) -> tuple[LogList, bool]:
        """Return what the trace's services logged while it ran, but for its own records.

        And whether that is of all its services: an expression holds a bounded number of names.
        """
        named, is_of_all = _names(trace.services)
        if not named:
            return LogList(logs=[], count=0, total=0, truncated=False), is_of_all
        found = self._telemetry.find_logs(
            LogQuery(
                q=f"service IN ({named}) AND trace_id != {trace.trace_id}",
                start=format_time(_start(window)),
                end=format_time(_end(window)),
                limit=limit,
                count="exact",
            )
        )
        return found, is_of_all

    def _find_linking(self, trace: Trace, window: TimeRange, limit: int) -> SpanList:
        return self._telemetry.find_spans(
            SpanQuery(
                q=f"link_trace_id = {trace.trace_id} AND trace_id != {trace.trace_id}",
                start=format_time(max(0, _start(window) - LINKED_BEFORE_NS)),
                end=format_time(min(TIME_NS_MAX, _end(window) + LINKED_AFTER_NS)),
                limit=limit,
            )
        )


def _trace_app(app_id: str, app: KnownApp | None, spans: int, errors: int) -> doc.TraceApp:
    return doc.TraceApp(
        app_id=app_id,
        app_name=None if app is None else app.app_name,
        status=None if app is None else app.status.value,
        parent_id=None if app is None else app.parent_id,
        path=[] if app is None else list(app.path),
        span_count=spans,
        error_count=errors,
    )


def outline(trace: Trace, limit: int) -> list[doc.OutlineSpan]:
    """Return the spans of a trace in one line each, at most `limit`, in the order of the trace.

    What fits is chosen by what it tells: a failed span before others, then a root, then one that
    the end waited for, then the longer one.
    """
    start = parse_time(trace.start_time, now=0)

    def worth(place: int) -> tuple[bool, bool, bool, float]:
        span = trace.spans[place]
        return (
            span.status == "error",
            not span.depth,
            bool(span.critical_path),
            span.duration_ms,
        )

    places = range(len(trace.spans))
    kept = sorted(places, key=worth, reverse=True)[:limit]
    return [_outline(trace.spans[place], start) for place in sorted(kept)]


def _outline(span: Span, start: int) -> doc.OutlineSpan:
    exceptions = [event.attributes for event in span.events if event.name == _EXCEPTION]
    said = exceptions[-1] if exceptions else {}
    named = [
        str(said[f"exception.{part}"])
        for part in ("type", "message")
        if f"exception.{part}" in said
    ]
    return doc.OutlineSpan(
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        depth=span.depth or 0,
        service=span.service,
        operation=span.operation,
        kind=span.kind,
        status=span.status,
        offset_ms=(parse_time(span.start_time, now=0) - start) / NS_PER_MS,
        duration_ms=span.duration_ms,
        self_time_ms=span.self_time_ms or 0.0,
        critical_path=bool(span.critical_path),
        status_message=span.status_message,
        exception=": ".join(named) if exceptions else None,
    )


def _outgoing(spans: Sequence[Span]) -> list[doc.OutgoingLink]:
    return [
        doc.OutgoingLink(
            from_span_id=span.span_id,
            trace_id=link.trace_id,
            span_id=link.span_id,
            attributes=link.attributes,
        )
        for span in spans
        for link in span.links
    ]


def _incoming(span: Span, trace_id: str) -> doc.IncomingLink:
    return doc.IncomingLink(
        trace_id=span.trace_id,
        span_id=span.span_id,
        service=span.service,
        operation=span.operation,
        start_time=span.start_time,
        status=span.status,
        to_span_ids=[link.span_id for link in span.links if link.trace_id == trace_id],
    )


def _outline_section(trace: Trace, spans: Sequence[doc.OutlineSpan]) -> doc.Section:
    is_cut = len(spans) < trace.span_count
    return doc.Section(
        count=len(spans),
        total=trace.span_count,
        truncated=is_cut,
        more=f"clew trace {trace.trace_id}" if is_cut else None,
    )


def _list_section(found: LogList | SpanList, more: str) -> doc.Section:
    return doc.Section(
        count=found.count,
        total=found.total,
        at_least=found.at_least,
        truncated=found.truncated,
        next=found.next,
        more=more if found.truncated else None,
    )


def _nearby_section(found: LogList, window: TimeRange, *, is_of_all: bool) -> doc.Section:
    more = f"clew logs --service NAME {_flags(window)}"
    section = _list_section(found, more)
    if is_of_all:
        return section
    return msgspec.structs.replace(
        section,
        total=None,
        at_least=found.total,
        truncated=True,
        more=f"too many services to look at all: {more}",
    )


def _metric_section(metrics: SeriesSummaries, around: TimeRange) -> doc.Section:
    count = len(metrics.series)
    is_cut = count < metrics.total
    return doc.Section(
        count=count,
        total=metrics.total,
        truncated=is_cut,
        more=f"clew metrics --service NAME {_flags(around)}" if is_cut else None,
    )


def _link_section(trace: Trace, links: Sequence[doc.OutgoingLink], limit: int) -> doc.Section:
    count = min(len(links), limit)
    # Of a trace that was read in part there may be links that were not.
    is_whole = not trace.truncated
    is_cut = count < len(links) or not is_whole
    return doc.Section(
        count=count,
        total=len(links) if is_whole else None,
        at_least=None if is_whole else len(links),
        truncated=is_cut,
        more=f"clew trace {trace.trace_id} --format json" if is_cut else None,
    )


def _names(services: Sequence[str]) -> tuple[str, bool]:
    """Return service names as the members of a filter's list, and whether all of them fit."""
    quoted: list[str] = []
    room = _EXPRESSION_CHARS_MAX
    for service in services[:_SERVICES_MAX]:
        text = '"{}"'.format(service.replace("\\", "\\\\").replace('"', '\\"'))
        room -= len(text) + 2
        if room < 0:
            break
        quoted.append(text)
    return ", ".join(quoted), len(quoted) == len(services)


def _window_of(trace: Trace) -> TimeRange:
    """Return the time of a trace, its last moment included."""
    start, end = (parse_time(text, now=0) for text in (trace.start_time, trace.end_time))
    # A span that never ends says so by the last moment there is.
    return TimeRange(start, min(TIME_NS_MAX, end + 1))


def _flags(window: TimeRange) -> str:
    return f"--start {format_time(_start(window))} --end {format_time(_end(window))}"


def _start(window: TimeRange) -> int:
    assert window.start is not None
    return window.start


def _end(window: TimeRange) -> int:
    assert window.end is not None
    return window.end


def _check_limit(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {LIMIT_MAX}",
            hint="it counts for each list of the answer",
        )
    return limit


def _read_margin(text: str) -> int:
    margin = parse_duration_ns(text)
    if margin > MARGIN_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "margin is longer than a day", hint="give 1m, or 1h"
        )
    return margin
