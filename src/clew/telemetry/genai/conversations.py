"""Conversations: runs of agents and calls of models that belong together.

A span that names its conversation belongs to it; one that does not belongs to the conversation
that its trace names elsewhere, and where none is named, the trace is the conversation.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.usage import (
    CELL_COLUMNS,
    CELL_KEYS,
    CELL_SUMS,
    MODEL,
    MODEL_CALLS,
    TOOL_CALLS,
    Bill,
    read_tiers,
)
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import Slice, next_cursor, read_slice
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai import parameters as ask
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 24 * 3600 * NS_PER_S
"""Asked without a range: a day, as of services."""

NAMES_MAX: Final = 50
"""Agents, models and services that one conversation names; more are not read by anybody. One more
of each is looked for, to say that there are more."""

_COLUMNS: Final = (
    *CELL_COLUMNS,
    "TraceId",
    "Duration",
    "ServiceName",
    "GenAiAgentName",
    "GenAiConversation",
    "GenAiToolName",
)

# The conversation of groups, by trace and by what spans name themselves.
_SHARED: Final = "max(own) OVER (PARTITION BY trace) AS shared"
_CONVERSATION: Final = "multiIf(own != '', own, shared != '', shared, trace) AS conversation"

_KEYS: Final = {"trace": "TraceId", "own": "GenAiConversation"}

_FIGURES: Final = (
    Aggregate("turns", "countIf", MODEL_CALLS),
    Aggregate("tool_calls", "countIf", TOOL_CALLS),
    Aggregate("errors", "countIf", "StatusCode = 'Error'"),
    Aggregate("first", "min", "toUnixTimestamp64Nano(Timestamp)"),
    Aggregate("last", "max", "toUnixTimestamp64Nano(Timestamp) + Duration"),
    Aggregate(
        "agents", f"groupUniqArrayIf({NAMES_MAX + 1})", "GenAiAgentName, GenAiAgentName != ''"
    ),
    Aggregate(
        "models",
        f"groupUniqArrayIf({NAMES_MAX + 1})",
        f"{MODEL}, {MODEL_CALLS} AND {MODEL} != ''",
    ),
    Aggregate("services", f"groupUniqArray({NAMES_MAX + 1})", "toString(ServiceName)"),
)

_CELLS: Final = Groups(TRACES, {**_KEYS, **CELL_KEYS}, CELL_SUMS, _COLUMNS)

TRACES_NAMED_MAX: Final = 100_000
"""Traces of one page that a query tier names to its shards, in 4 MB; where there are more, it is
sent what those of all conversations cost."""

_WANTED: Final = {
    "service": "ServiceName = {service:String}",
    "agent": "GenAiAgentName = {agent:String}",
    "model": "GenAiResponseModel = {model:String} OR GenAiRequestModel = {model:String}",
    "tool": "GenAiToolName = {tool:String}",
}


def list_conversations(
    store: Store, prices: PriceBook, query: ask.ConversationQuery, now: int
) -> doc.ConversationList:
    """Return one page of conversations with something in the range, last active first."""
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("conversations", query, snapshot, window=window, now=now)
    window, now = page.window, page.now
    where = f"{time_condition(TRACES, window)} AND {page.condition} AND GenAi"
    rows, total = _read_page(store, snapshot, where, query, page)
    bills = _read_bills(store, snapshot, where, prices, rows)
    rest = next_cursor(page) if page.offset + len(rows) < total else None
    return doc.ConversationList(
        conversations=[
            _conversation(row, bills.get(row["conversation"]) or Bill(prices)) for row in rows
        ],
        count=len(rows),
        total=total,
        truncated=rest is not None,
        next=rest,
        start_time=format_time(window.start or 0),
        end_time=format_time(now if window.end is None else window.end),
    )


def _read_page(
    store: Store,
    snapshot: Snapshot,
    where: str,
    query: ask.ConversationQuery,
    page: Slice,
) -> tuple[list[dict[str, Any]], int]:
    conditions, parameters = _filters(query)
    kept = tuple(
        Aggregate(f"kept_{place}", "countIf", condition)
        for place, condition in enumerate(conditions)
    )
    wanted = [f"sum({each.name}) > 0" for each in kept]
    if query.errors is not None:
        wanted.append(f"sum(errors) {'>' if query.errors else '='} 0")
    having = f" HAVING {' AND '.join(wanted)}" if wanted else ""
    # One server finds the spans of a page by itself.
    named = ", groupUniqArray(trace) AS named" if snapshot.frames is not None else ""
    groups, scan = Groups(TRACES, _KEYS, (*_FIGURES, *kept), _COLUMNS).ask(snapshot, "spans", where)
    rows = store.engine.query(
        "SELECT *, count() OVER () AS total FROM ("
        "SELECT conversation, any(is_trace) AS is_trace, uniqExact(trace) AS traces,"
        " argMax(trace, (last, trace)) AS last_trace_id, sum(turns) AS turns,"
        " sum(tool_calls) AS tool_calls, sum(errors) AS error_count,"
        " min(first) AS start, max(last) AS end,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(agents)) AS agents,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(models)) AS models,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(services)) AS services{named}"
        f" FROM (SELECT *, {_SHARED}, {_CONVERSATION}, own = '' AND shared = '' AS is_trace"
        f" FROM ({groups})) GROUP BY conversation{having}"
        ") ORDER BY end DESC, conversation LIMIT {limit:UInt64} OFFSET {offset:UInt64}",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters={**parameters, "limit": page.limit, "offset": page.offset},
        limits=LIMITS,
    ).to_pylist()
    return rows, rows[0]["total"] if rows else page.offset


def _filters(query: ask.ConversationQuery) -> tuple[list[str], dict[str, object]]:
    """Return the conditions of which each must hold of a span of the conversation."""
    asked = {name: getattr(query, name) for name in _WANTED}
    parameters = {name: value for name, value in asked.items() if value is not None}
    return [_WANTED[name] for name in parameters], parameters


def _read_bills(
    store: Store, snapshot: Snapshot, where: str, prices: PriceBook, page: list[dict[str, Any]]
) -> dict[str, Bill]:
    """Return what the conversations of one page cost."""
    bills: dict[str, Bill] = {}
    if not page:
        return bills
    parameters: dict[str, object] = {
        "tiers": read_tiers(store, prices, snapshot, where, {}),
        "conversations": [row["conversation"] for row in page],
    }
    named = [trace for row in page for trace in row.get("named", ())]
    if 0 < len(named) <= TRACES_NAMED_MAX:
        # Whole traces, since what one of their spans names is for those that name nothing.
        where += " AND TraceId IN {named:Array(String)}"
        parameters["named"] = named
    cells, scan = _CELLS.ask(snapshot, "spans", where)
    for cell in store.engine.query(
        f"SELECT * FROM (SELECT *, {_SHARED}, {_CONVERSATION} FROM ({cells}))"
        " WHERE calls > 0 AND conversation IN {conversations:Array(String)}",
        snapshot=snapshot,
        scans={"spans": scan},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist():
        bills.setdefault(cell["conversation"], Bill(prices)).add(cell)
    return bills


def _conversation(row: dict[str, Any], bill: Bill) -> doc.Conversation:
    names = {name: row[name] for name in ("agents", "models", "services")}
    return doc.Conversation(
        conversation=row["conversation"],
        kind="trace" if row["is_trace"] else "conversation",
        traces=row["traces"],
        last_trace_id=row["last_trace_id"],
        turns=row["turns"],
        tool_calls=row["tool_calls"],
        error_count=row["error_count"],
        **{name: each[:NAMES_MAX] for name, each in names.items()},
        more_names=any(len(each) > NAMES_MAX for each in names.values()),
        tokens=bill.tokens(),
        cost=bill.cost(),
        start_time=format_time(row["start"]),
        last_activity=format_time(row["end"]),
        duration_ms=(row["end"] - row["start"]) / NS_PER_MS,
    )
