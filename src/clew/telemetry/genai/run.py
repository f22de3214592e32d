"""The spans of a run, as they are read for its transcript: first what they are, then what they say.

What was said is large, since each call of a model repeats the history before it; so it is read in
pieces, and only what is new is kept of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Scan
from clew.telemetry.genai.columns import ALIASES
from clew.telemetry.genai.content import Event, Record, is_content_event
from clew.telemetry.genai.messages import read_json
from clew.telemetry.query.ids import TRACE_ID_CHARS, parse_trace_id
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.typed import text_attributes
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.query.store import Store

TRACES_MAX: Final = 200
"""Traces of one conversation that are read, the newest: a day of somebody's work."""

SPANS_MAX: Final = 5000
"""GenAI spans that are read, the first: a run of some hours."""

IDS_MAX: Final = 200_000
"""Spans of any kind whose ids are read, to find out what ran under what."""

PIECE_SPANS: Final = 500
"""Spans whose content is read at once: some 50 MB where contexts are long."""

PIECE_LOGS_MAX: Final = 20_000
"""Log records of one piece: forty messages for each span."""


@dataclass(frozen=True, slots=True)
class GenAiSpan:
    """One span, without what it says. Times are nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    at: int
    duration: int
    status: str
    status_message: str
    row: Mapping[str, Any]

    @property
    def operation(self) -> str:
        """What it does, by the current name."""
        return str(self.row["GenAiOperation"])

    @property
    def agent(self) -> str:
        """The agent that it names itself."""
        return str(self.row["GenAiAgentName"])


@dataclass(frozen=True, slots=True)
class Run:
    """The GenAI spans of one or more traces, by their start.

    `parents` gives the parent's id of every span of the traces, by trace and span; `other_spans`
    are those that are not GenAI. `traces_left_out` older traces were not read; `traces_elsewhere`
    are others of the conversation, where one trace was asked for; `is_cut` says that there are more
    GenAI spans than were read.
    """

    conversation: str | None
    trace_ids: tuple[str, ...]
    spans: tuple[GenAiSpan, ...]
    parents: Mapping[tuple[str, str], str]
    other_spans: int
    traces_left_out: int
    traces_elsewhere: int
    is_cut: bool


_TYPED: Final = tuple(alias.name for alias in ALIASES)

_SPAN_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "SpanName",
    "ServiceName",
    "toUnixTimestamp64Nano(Timestamp) AS at",
    "Duration",
    "StatusCode",
    "StatusMessage",
    *_TYPED,
)

_CONTENT_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "SpanAttributes",
    "arrayMap(each -> toUnixTimestamp64Nano(each), `Events.Timestamp`) AS EventTimes",
    "`Events.Name` AS EventNames",
    "`Events.Attributes` AS EventAttributes",
)

_LOG_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "toUnixTimestamp64Nano(Timestamp) AS at",
    "EventName",
    "Body",
    "LogAttributes",
)


def read_run(store: Store, snapshot: Snapshot, name: str) -> Run:
    """Return the run that a trace id or the id of a conversation names.

    Raises:
        ClewError: NOT_FOUND when there is neither.
    """
    conversation: str | None = None
    left_out = 0
    traces: list[str] = []
    if not _is_trace_id(name):
        traces, left_out = _first_of(_traces_of(store, snapshot, name))
        conversation = name if traces else None
    if not traces:
        traces = [_parse_trace(name)]
    spans = _read_spans(store, snapshot, traces, conversation)
    if not spans and conversation is None and _is_trace_id(name):
        # The id of a conversation is often 32 hexadecimal digits, too.
        traces, left_out = _first_of(_traces_of(store, snapshot, name))
        conversation = name
        spans = _read_spans(store, snapshot, traces, conversation) if traces else []
    parents, size = _read_parents(store, snapshot, traces) if traces else ({}, 0)
    if not spans:
        raise _nothing(name, size)
    elsewhere = 0
    named = conversation or _named_conversation(spans)
    if conversation is None and named is not None:
        elsewhere = len(set(_traces_of(store, snapshot, named)) - set(traces))
    return Run(
        conversation=named,
        trace_ids=tuple(dict.fromkeys(span.trace_id for span in spans)),
        spans=tuple(spans[:SPANS_MAX]),
        parents=parents,
        other_spans=max(0, size - len(spans)),
        traces_left_out=left_out,
        traces_elsewhere=elsewhere,
        is_cut=len(spans) > SPANS_MAX,
    )


def _first_of(traces: list[str]) -> tuple[list[str], int]:
    """Return as many traces as a run may have, and how many more there are."""
    return traces[:TRACES_MAX], max(0, len(traces) - TRACES_MAX)


def read_records(
    store: Store, snapshot: Snapshot, spans: Sequence[GenAiSpan]
) -> Iterator[tuple[GenAiSpan, Record]]:
    """Yield spans with what they say, in their order, reading a piece at a time."""
    for begin in range(0, len(spans), PIECE_SPANS):
        piece = spans[begin : begin + PIECE_SPANS]
        said = _read_piece(store, snapshot, piece)
        for span in piece:
            attributes, events = said.get((span.trace_id, span.span_id), ({}, []))
            events.sort(key=lambda event: event.at)
            yield span, Record(span.operation, attributes, events)


def _is_trace_id(name: str) -> bool:
    return len(name) == TRACE_ID_CHARS and all(c in "0123456789abcdefABCDEF" for c in name)


def _parse_trace(name: str) -> str:
    try:
        return parse_trace_id(name)
    except ClewError:
        raise _nothing(name, 0) from None


def _nothing(name: str, other_spans: int) -> ClewError:
    shown = name if len(name) <= 80 else name[:79] + "…"
    if other_spans:
        return ClewError(
            ErrorCode.NOT_FOUND,
            f"nothing in trace {shown} speaks of GenAI",
            hint=f"its {other_spans} spans: clew trace {shown}",
        )
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"there is no trace and no conversation {shown!r}",
        hint="clew conversations lists them",
    )


def _traces_of(store: Store, snapshot: Snapshot, conversation: str) -> list[str]:
    """Return the traces of a conversation, newest first."""
    scan = Scan(
        TRACES, ("TraceId", "Timestamp"), "GenAi AND GenAiConversation = {conversation:String}"
    )
    rows = store.engine.query(
        "SELECT TraceId, max(Timestamp) AS last FROM @spans GROUP BY TraceId"
        " ORDER BY last DESC, TraceId",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={"conversation": conversation},
        limits=LIMITS,
    )
    return [str(trace) for trace in rows["TraceId"].to_pylist()]


def _read_spans(
    store: Store, snapshot: Snapshot, traces: Sequence[str], conversation: str | None
) -> list[GenAiSpan]:
    where = "TraceId IN {traces:Array(String)} AND GenAi"
    parameters: dict[str, object] = {"traces": list(traces)}
    if conversation is not None:
        # A trace may serve several conversations; what names none belongs to each.
        where += " AND GenAiConversation IN ('', {conversation:String})"
        parameters["conversation"] = conversation
    limit = SPANS_MAX + 1
    scan = Scan(TRACES, _SPAN_COLUMNS, where, order_by="Timestamp, SpanId", limit=limit)
    rows = store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    # A span that a client sent twice is one step.
    unique = {(row["TraceId"], row["SpanId"]): row for row in rows}
    ordered = sorted(unique.values(), key=lambda row: (row["at"], row["SpanId"]))
    return [
        GenAiSpan(
            trace_id=row["TraceId"],
            span_id=row["SpanId"],
            parent_id=row["ParentSpanId"],
            name=row["SpanName"],
            service=row["ServiceName"],
            at=row["at"],
            duration=row["Duration"],
            status=row["StatusCode"],
            status_message=row["StatusMessage"],
            row=row,
        )
        for row in ordered[:limit]
    ]


def _read_parents(
    store: Store, snapshot: Snapshot, traces: Sequence[str]
) -> tuple[dict[tuple[str, str], str], int]:
    columns = ("TraceId", "SpanId", "ParentSpanId")
    scan = Scan(TRACES, columns, "TraceId IN {traces:Array(String)}", limit=IDS_MAX)
    rows = store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={"traces": list(traces)},
        limits=LIMITS,
    )
    ids = zip(*(rows[name].to_pylist() for name in columns), strict=True)
    parents = {(trace, span): parent for trace, span, parent in ids}
    return parents, len(parents)


def _named_conversation(spans: Sequence[GenAiSpan]) -> str | None:
    names = {span.row["GenAiConversation"] for span in spans} - {""}
    return names.pop() if len(names) == 1 else None


_Said = tuple[dict[str, str], list[Event]]


def _read_piece(
    store: Store, snapshot: Snapshot, piece: Sequence[GenAiSpan]
) -> dict[tuple[str, str], _Said]:
    parameters = {
        "traces": sorted({span.trace_id for span in piece}),
        "spans": [span.span_id for span in piece],
    }
    where = "TraceId IN {traces:Array(String)} AND SpanId IN {spans:Array(String)}"
    said: dict[tuple[str, str], _Said] = {}
    for row in store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": Scan(TRACES, _CONTENT_COLUMNS, where)},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist():
        events = [
            Event(at, name, text_attributes(pairs))
            for at, name, pairs in zip(
                row["EventTimes"], row["EventNames"], row["EventAttributes"], strict=True
            )
        ]
        said[row["TraceId"], row["SpanId"]] = (text_attributes(row["SpanAttributes"]), events)
    logs = Scan(
        LOGS,
        _LOG_COLUMNS,
        f"{where} AND (startsWith(EventName, 'gen_ai.')"
        " OR startsWith(LogAttributes['event.name'], 'gen_ai.'))",
        order_by="Timestamp",
        limit=PIECE_LOGS_MAX,
    )
    for row in store.engine.query(
        "@logs",
        snapshot=snapshot,
        scans={"logs": logs},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist():
        attributes = text_attributes(row["LogAttributes"])
        name = row["EventName"] or attributes.get("event.name", "")
        known = said.get((row["TraceId"], row["SpanId"]))
        if known is not None and is_content_event(name):
            known[1].append(Event(row["at"], name, attributes, row["Body"]))
    return said


def error_text(span: GenAiSpan, record: Record) -> str | None:
    """Return what went wrong, None when nothing did."""
    kind = record.attributes.get("error.type", "")
    if span.status != "Error" and not kind:
        return None
    if span.status_message:
        return span.status_message
    for event in record.events:
        if event.name == "exception":
            texts = (event.attributes.get(key) for key in ("exception.type", "exception.message"))
            told = ": ".join(text for text in texts if text)
            if told:
                return told
    return kind or _error_of(record.attributes.get("gen_ai.tool.call.result")) or "failed"


def _error_of(result: str | None) -> str:
    told = read_json(result)
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, str) else ""
