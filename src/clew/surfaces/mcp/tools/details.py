"""The details of chosen spans: attributes, events, links and logs, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_time
from clew.surfaces.mcp.answers import TEXT_CHARS, TOKENS_MAX, Answer, Call, Draft, LeftOut
from clew.surfaces.mcp.taming import Taming
from clew.surfaces.mcp.tool import Asked, TextChars, Tool, TraceId, again, call, figure
from clew.surfaces.mcp.tools.trace import at_ms, get_trace, require_spans
from clew.telemetry import documents as doc
from clew.telemetry.query.parameters import LogQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clew.surfaces.mcp.questions import Questions

SPANS_MAX = 20
"""Spans of one call: with a budget of thousands of tokens no more can be read."""

LOGS_MAX = 200
"""Log records of the spans asked for; more are read with find_logs, page by page."""

ENTRIES_AT_LEAST = 10
"""Of each span: so many are worth more than the ends of their texts."""

EVENT_ENTRIES_MAX = 50
"""Attributes of one event or link: an entry must fit where a span is read entry by entry."""

ENTRIES_MAX = 1_000_000
"""Entries are the items here, and bounded by the budget."""

MAPS = ("attributes", "resource")
FIELDS = (*MAPS, "scope", "events", "links", "logs")
USUAL_FIELDS = ("attributes", "events", "links", "logs")


class DetailsAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans, and what of them."""

    trace_id: TraceId
    span_ids: Annotated[list[str], Meta(description=f"16 hex digits each, at most {SPANS_MAX}")]
    fields: Annotated[
        list[str],
        Meta(description=f"Of: {' '.join(FIELDS)}, or attributes.KEY; all but resource and scope"),
    ] = msgspec.field(default_factory=list)
    text_chars: TextChars = TEXT_CHARS
    text_from: Annotated[int, Meta(description="Show texts from this character on")] = 0
    skip: Annotated[int, Meta(description="Leave off so many entries of the first span")] = 0


class DetailsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Spans with the fields asked for, in the order asked for."""

    trace_id: str
    spans: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to tell of a span: an attribute (with its key), an event, a link, a log record.

    A key can be empty; what has none has None.
    """

    field: str
    key: str | None
    value: Any


def _span_details(questions: Questions, asked: DetailsAsked) -> Draft:
    if not asked.span_ids or len(asked.span_ids) > SPANS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"span_ids holds {len(asked.span_ids)} ids",
            hint=f"give 1 to {SPANS_MAX}; trace_outline lists them",
        )
    fields = _check_fields(asked.fields)
    trace = get_trace(questions, asked.trace_id)
    spans = require_spans(trace, asked.span_ids)
    logs = _logs_of(questions, asked.trace_id, spans) if "logs" in fields else None
    start = parse_time(trace.start_time, now=0)
    entries = [
        [_skip_text(entry, asked.text_from) for entry in _entries_of(span, fields, logs, start)]
        for span in spans
    ]
    entries[0] = entries[0][max(0, asked.skip) :]
    total = sum(map(len, entries))

    def write(items: int) -> DetailsAnswer:
        shown = [_facts(span, start) for span in spans]
        room = items
        for built, listed in zip(shown, entries, strict=True):
            _tell(built, listed[:room])
            room -= min(room, len(listed))
        left_out = _left_out(asked, spans, entries, items)
        if logs is not None and logs.truncated:
            get = call("find_logs", "all logs of the trace", trace_id=asked.trace_id)
            count = max(1, (logs.total or logs.at_least or 0) - logs.count)
            left_out.append(LeftOut(what="log records of these spans", count=count, get=get))
        return DetailsAnswer(
            trace_id=asked.trace_id,
            spans=shown,
            left_out=left_out,
            next=_below(trace, spans[0]),
        )

    longer = {"text_chars": 8 * asked.text_chars, "span_ids": [spans[0].span_id]}
    return Draft(
        most=total,
        write=write,
        least=min(total, ENTRIES_AT_LEAST * len(spans)),
        text_chars=max(1, asked.text_chars),
        entries=ENTRIES_MAX,
        full=again("span_details", "longer texts of one span", asked, **longer),
    )


def _check_fields(fields: Sequence[str]) -> Sequence[str]:
    for name in fields:
        if name not in FIELDS and not name.startswith("attributes."):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"a span has no field {name[:80]!r}",
                hint=f"one of {', '.join(FIELDS)}, or attributes.KEY",
            )
        if name == "attributes.":
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "the field 'attributes.' names no attribute",
                hint="attributes.KEY for one of them, attributes for all",
            )
    return fields or USUAL_FIELDS


def _facts(span: doc.Span, start: int) -> dict[str, Any]:
    """Return what is told of every span; what is empty is left off."""
    facts = {
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "service": span.service,
        "operation": span.operation,
        "kind": span.kind,
        "at_ms": at_ms(span, start),
        "ms": figure(span.duration_ms),
        "self_ms": figure(span.self_time_ms),
        "status": span.status,
        "status_message": span.status_message,
        "critical_path": span.critical_path or None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _entries_of(
    span: doc.Span, fields: Sequence[str], logs: doc.LogList | None, start: int
) -> Iterable[Entry]:
    for name in fields:
        if name in MAPS:
            yield from (Entry(name, key, value) for key, value in getattr(span, name).items())
        elif name == "scope":
            yield Entry(name, "name", span.scope.name)
            yield Entry(name, "version", span.scope.version)
        elif name == "events":
            yield from (Entry(name, None, _event(event, start)) for event in span.events)
        elif name == "links":
            yield from (
                Entry(name, None, _bounded(msgspec.to_builtins(link))) for link in span.links
            )
        elif name == "logs" and logs is not None:
            # They came newest first; in a span they are read as they were written.
            own = [record for record in logs.logs if record.span_id == span.span_id]
            yield from (Entry(name, None, _log(record, start)) for record in reversed(own))
        elif name.startswith("attributes."):
            key = name.removeprefix("attributes.")
            yield Entry("attributes", key, span.attributes.get(key))


def _event(event: doc.SpanEvent, start: int) -> dict[str, Any]:
    at = figure((parse_time(event.timestamp, now=0) - start) / 1e6)
    return {"name": event.name, "at_ms": at, "attributes": _bounded(event.attributes)}


def _log(record: doc.LogRecord, start: int) -> dict[str, Any]:
    at = figure((parse_time(record.timestamp, now=0) - start) / 1e6)
    return {"at_ms": at, "severity": record.severity, "body": _bounded(record.body)}


def _bounded(value: Any) -> Any:
    return Taming(entries=EVENT_ENTRIES_MAX).tame(value, is_inside=True)


def _tell(built: dict[str, Any], entries: Sequence[Entry]) -> None:
    """Add entries to what is told of a span."""
    for entry in entries:
        if entry.key is not None:
            built.setdefault(entry.field, {})[entry.key] = entry.value
        else:
            built.setdefault(entry.field, []).append(entry.value)


def _left_out(
    asked: DetailsAsked, spans: Sequence[doc.Span], entries: Sequence[Sequence[Entry]], items: int
) -> list[LeftOut]:
    """Return how many entries follow the first so many, and the call that goes on there."""
    rest = sum(map(len, entries)) - items
    if rest <= 0:
        return []
    place, shown = 0, items
    while shown >= len(entries[place]):
        shown -= len(entries[place])
        place += 1
    skipped = max(0, asked.skip) + shown if place == 0 else shown
    following = [span.span_id for span in spans[place:]]
    changes: dict[str, Any] = {"span_ids": following, "skip": skipped}
    if not items:
        # The same budget would hold nothing again.
        changes["max_tokens"] = TOKENS_MAX
    get = again("span_details", "go on from there", asked, **changes)
    return [LeftOut(what="attributes, events, links and logs", count=rest, get=get)]


def _below(trace: doc.Trace, span: doc.Span) -> list[Call]:
    below = sum(each.parent_span_id == span.span_id and bool(each.depth) for each in trace.spans)
    if not below:
        return []
    why = f"the {below} spans it called"
    return [call("trace_outline", why, trace_id=trace.trace_id, span_id=span.span_id)]


def _skip_text(entry: Entry, text_from: int) -> Entry:
    return entry if text_from <= 0 else Entry(entry.field, entry.key, _skip(entry.value, text_from))


def _skip(value: Any, text_from: int) -> Any:
    """Return a value with the first characters of its long texts left off."""
    match value:
        case str():
            return f"[from {text_from}] {value[text_from:]}" if len(value) > text_from else value
        case dict():
            return {key: _skip(each, text_from) for key, each in value.items()}
        case list():
            return [_skip(each, text_from) for each in value]
    return value


def _logs_of(questions: Questions, trace_id: str, spans: Sequence[doc.Span]) -> doc.LogList:
    """Return the log records of spans, newest first."""
    ids = ", ".join(span.span_id for span in spans)
    query = LogQuery(trace_id=trace_id, q=f"span_id IN ({ids})", limit=LOGS_MAX, count="exact")
    return questions.ask("/logs", doc.LogList, query)


SPAN_DETAILS = Tool(
    name="span_details",
    title="Details of spans",
    description="Attributes, events, links and logs of chosen spans of a trace.",
    parameters=DetailsAsked,
    answer=DetailsAnswer,
    run=_span_details,
    example={"trace_id": "{trace_id}", "span_ids": ["{span_id}"]},
)
