"""The spans of a run, as they are read for its transcript: what they are, and what ran under what.

What they say is read by `clew.telemetry.genai.records`.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TimeRange
from clew.store.engine.contract import Scan
from clew.telemetry.genai.columns import ALIASES
from clew.telemetry.genai.messages import read_json
from clew.telemetry.query.ids import TRACE_ID_CHARS, parse_trace_id
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.genai.content import Record
    from clew.telemetry.query.store import Store

TRACES_MAX: Final = 200
"""Traces of one conversation that are read, the newest: a day of somebody's work."""

SPANS_MAX: Final = 5000
"""GenAI spans that are read, the first: a run of some hours."""

IDS_MAX: Final = 200_000
"""Spans of any kind whose parents are read, the first, to find out what ran under what."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The records that a transcript is told from: those of `snapshot` for which `condition` holds.

    It is the same for every page of one transcript.
    """

    store: Store
    snapshot: Snapshot
    condition: str = "1"

    def query(
        self,
        sql: str,
        table: Table,
        columns: Sequence[str],
        where: str,
        parameters: Mapping[str, object],
    ) -> pa.Table:
        """Run SQL over the columns of the rows of one table, which it calls ``@rows``."""
        scan = Scan(table, tuple(columns), f"({where}) AND {self.condition}")
        return self.store.engine.query(
            sql,
            snapshot=self.snapshot,
            scans={"rows": scan},
            parameters=parameters,
            limits=LIMITS,
        )


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

    `parents` gives the parent's id of every span of the traces that has one, by trace and span;
    `other_spans` are those that are not GenAI. `traces_left_out` older traces were not read;
    `traces_elsewhere` are others of the conversation, where one trace was asked for.
    `spans_left_out` later GenAI spans and `parents_left_out` later parents were not read. A span
    that came twice counts once.
    """

    conversation: str | None
    trace_ids: tuple[str, ...]
    spans: tuple[GenAiSpan, ...]
    parents: Mapping[tuple[str, str], str]
    other_spans: int
    traces_left_out: int
    traces_elsewhere: int
    spans_left_out: int
    parents_left_out: int


@dataclass(frozen=True, slots=True)
class _Size:
    """How many different spans some traces have: all, those of GenAI, and those with a parent."""

    spans: int = 0
    genai: int = 0
    children: int = 0


@dataclass(frozen=True, slots=True)
class _Traces:
    """Traces, and of which conversation their GenAI spans must be, where it is one's.

    A trace may serve several conversations; what names none belongs to each.
    """

    ids: list[str]
    conversation: str | None = None
    left_out: int = 0
    parameters: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        """Bind what the conditions name."""
        parameters = {"traces": self.ids, "conversation": self.conversation or ""}
        object.__setattr__(self, "parameters", parameters)

    @property
    def own(self) -> str:
        """The condition of the GenAI spans that are told."""
        if self.conversation is None:
            return "GenAi"
        return "GenAi AND GenAiConversation IN ('', {conversation:String})"


_IN_TRACES: Final = "TraceId IN {traces:Array(String)}"

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


def read_run(moment: Moment, name: str) -> Run:
    """Return the run that a trace id or the id of a conversation names.

    Raises:
        ClewError: NOT_FOUND when there is neither.
    """
    traces = _find_traces(moment, name)
    size = _count(moment, traces)
    if not size.genai and traces.conversation is None and _is_trace_id(name):
        # The id of a conversation is often 32 hexadecimal digits, too.
        others = _of_conversation(moment, name)
        if others is not None:
            traces, size = others, _count(moment, others)
    if not size.genai:
        raise _nothing(name, size.spans)
    spans = _read_spans(moment, traces, size)
    named = traces.conversation or _named_conversation(spans)
    elsewhere = 0
    if traces.conversation is None and named is not None:
        elsewhere = len(set(_traces_of(moment, named)) - set(traces.ids))
    return Run(
        conversation=named,
        trace_ids=tuple(dict.fromkeys(span.trace_id for span in spans)),
        spans=tuple(spans),
        parents=_read_parents(moment, traces),
        other_spans=size.spans - size.genai,
        traces_left_out=traces.left_out,
        traces_elsewhere=elsewhere,
        spans_left_out=size.genai - len(spans),
        parents_left_out=max(0, size.children - IDS_MAX),
    )


def _find_traces(moment: Moment, name: str) -> _Traces:
    found = None if _is_trace_id(name) else _of_conversation(moment, name)
    return found or _Traces([_parse_trace(name)])


def _of_conversation(moment: Moment, name: str) -> _Traces | None:
    """Return as many traces of a conversation as a run may have, None when it has none."""
    ids = _traces_of(moment, name)
    return _Traces(ids[:TRACES_MAX], name, max(0, len(ids) - TRACES_MAX)) if ids else None


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


def _traces_of(moment: Moment, conversation: str) -> list[str]:
    """Return the traces of a conversation, newest first."""
    rows = moment.query(
        "SELECT TraceId, max(Timestamp) AS last FROM @rows GROUP BY TraceId"
        " ORDER BY last DESC, TraceId",
        TRACES,
        ("TraceId", "Timestamp"),
        "GenAi AND GenAiConversation = {conversation:String}",
        {"conversation": conversation},
    )
    return [str(trace) for trace in rows["TraceId"].to_pylist()]


def _count(moment: Moment, traces: _Traces) -> _Size:
    rows = moment.query(
        "SELECT uniqExact(TraceId, SpanId) AS spans, uniqExactIf((TraceId, SpanId), own) AS genai,"
        " uniqExactIf((TraceId, SpanId), ParentSpanId != '') AS children FROM @rows",
        TRACES,
        ("TraceId", "SpanId", "ParentSpanId", f"{traces.own} AS own"),
        _IN_TRACES,
        traces.parameters,
    )
    return _Size(**rows.to_pylist()[0])


def _read_spans(moment: Moment, traces: _Traces, size: _Size) -> list[GenAiSpan]:
    """Return the first GenAI spans, a span that a client sent twice as it began first."""
    where = f"{_IN_TRACES} AND {traces.own}"
    if size.genai > SPANS_MAX:
        where += f" AND {_first_spans(moment, traces)}"
    rows = moment.query(
        "SELECT * FROM @rows ORDER BY at, SpanId, TraceId LIMIT 1 BY TraceId, SpanId"
        f" LIMIT {SPANS_MAX}",
        TRACES,
        _SPAN_COLUMNS,
        where,
        traces.parameters,
    ).to_pylist()
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
        for row in rows
    ]


def _first_spans(moment: Moment, traces: _Traces) -> str:
    """Return a condition that holds of the spans that are read, so that few others need sorting."""
    rows = moment.query(
        "SELECT max(first) AS edge FROM (SELECT min(at) AS first FROM @rows"
        f" GROUP BY TraceId, SpanId ORDER BY first LIMIT {SPANS_MAX})",
        TRACES,
        ("TraceId", "SpanId", "toUnixTimestamp64Nano(Timestamp) AS at"),
        f"{_IN_TRACES} AND {traces.own}",
        traces.parameters,
    )
    return time_condition(TRACES, TimeRange(None, rows.to_pylist()[0]["edge"] + 1))


def _read_parents(moment: Moment, traces: _Traces) -> dict[tuple[str, str], str]:
    columns = ("TraceId", "SpanId", "ParentSpanId")
    rows = moment.query(
        "SELECT TraceId, SpanId, argMin(ParentSpanId, at) AS ParentSpanId, min(at) AS first"
        " FROM @rows GROUP BY TraceId, SpanId"
        # What others run under began before them.
        f" ORDER BY first, SpanId, TraceId LIMIT {IDS_MAX}",
        TRACES,
        (*columns, "toUnixTimestamp64Nano(Timestamp) AS at"),
        f"{_IN_TRACES} AND ParentSpanId != ''",
        traces.parameters,
    )
    ids = zip(*(rows[name].to_pylist() for name in columns), strict=True)
    return {(trace, span): parent for trace, span, parent in ids}


def _named_conversation(spans: Sequence[GenAiSpan]) -> str | None:
    names = {span.row["GenAiConversation"] for span in spans} - {""}
    return names.pop() if len(names) == 1 else None


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
