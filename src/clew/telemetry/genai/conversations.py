"""Conversations: runs of agents and calls of models that belong together.

A span that names its conversation belongs to it; one that does not belongs to the conversation
that its trace names elsewhere, and where none is named, the trace is the conversation.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.store.engine.contract import Scan
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.usage import (
    CELL_COLUMNS,
    CELL_KEYS,
    MODEL,
    MODEL_CALLS,
    TOOL_CALLS,
    Bill,
    cell_sums,
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

# The conversation of rows that were grouped by trace and by what they name themselves.
_SHARED: Final = "max(own) OVER (PARTITION BY TraceId) AS shared"
_CONVERSATION: Final = "multiIf(own != '', own, shared != '', shared, TraceId) AS conversation"

_GROUPS: Final = (
    "SELECT TraceId, GenAiConversation AS own,"
    f" countIf({MODEL_CALLS}) AS turns, countIf({TOOL_CALLS}) AS tool_calls,"
    " countIf(StatusCode = 'Error') AS errors,"
    " toUnixTimestamp64Nano(min(Timestamp)) AS first,"
    " max(toUnixTimestamp64Nano(Timestamp) + Duration) AS last,"
    f" groupUniqArrayIf({NAMES_MAX + 1})(GenAiAgentName, GenAiAgentName != '') AS agents,"
    f" groupUniqArrayIf({NAMES_MAX + 1})({MODEL}, {MODEL_CALLS} AND {MODEL} != '') AS models,"
    f" groupUniqArray({NAMES_MAX + 1})(toString(ServiceName)) AS services,"
    " {kept} AS kept FROM @spans GROUP BY TraceId, own"
)
"""With ``{kept}`` put in: counts of the spans for each of which a conversation is kept."""

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
    scans = {"spans": Scan(TRACES, _COLUMNS, where)}
    rows, total = _read_page(store, snapshot, scans, query, page)
    bills = _read_bills(store, snapshot, scans, prices, [row["conversation"] for row in rows])
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
    scans: dict[str, Scan],
    query: ask.ConversationQuery,
    page: Slice,
) -> tuple[list[dict[str, Any]], int]:
    kept, parameters = _filters(query)
    wanted = " AND ".join(f"sum(kept[{place}]) > 0" for place in range(1, len(kept) + 1))
    if query.errors is not None:
        wanted += f"{' AND ' if wanted else ''}sum(errors) {'>' if query.errors else '='} 0"
    counts = ", ".join(f"countIf({condition})" for condition in kept)
    rows = store.engine.query(
        "SELECT *, count() OVER () AS total FROM ("
        "SELECT conversation, any(is_trace) AS is_trace, uniqExact(TraceId) AS traces,"
        " argMax(TraceId, (last, TraceId)) AS last_trace_id, sum(turns) AS turns,"
        " sum(tool_calls) AS tool_calls, sum(errors) AS error_count,"
        " min(first) AS start, max(last) AS end,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(agents)) AS agents,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(models)) AS models,"
        f" arraySort(groupUniqArrayArray({NAMES_MAX + 1})(services)) AS services"
        f" FROM (SELECT *, {_SHARED}, {_CONVERSATION}, own = '' AND shared = '' AS is_trace"
        f" FROM ({_GROUPS.format(kept=f'[{counts}]')}))"
        f" GROUP BY conversation{f' HAVING {wanted}' if wanted else ''}"
        ") ORDER BY end DESC, conversation LIMIT {limit:UInt64} OFFSET {offset:UInt64}",
        snapshot=snapshot,
        scans=scans,
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
    store: Store,
    snapshot: Snapshot,
    scans: dict[str, Scan],
    prices: PriceBook,
    conversations: list[str],
) -> dict[str, Bill]:
    """Return what the conversations of one page cost."""
    bills: dict[str, Bill] = {}
    if not conversations:
        return bills
    cells = store.engine.query(
        f"SELECT * FROM (SELECT *, {_SHARED}, {_CONVERSATION} FROM ("
        f"SELECT TraceId, GenAiConversation AS own, {CELL_KEYS}, {cell_sums()}"
        " FROM @spans GROUP BY ALL"
        ")) WHERE calls > 0 AND conversation IN {conversations:Array(String)}",
        snapshot=snapshot,
        scans=scans,
        parameters={
            "tiers": read_tiers(store, prices, snapshot, scans, {}),
            "conversations": conversations,
        },
        limits=LIMITS,
    ).to_pylist()
    for cell in cells:
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
