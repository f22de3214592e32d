"""Agents: how often each ran, what it called, what failed, what it took and cost.

Theory of operation. A call of a model or a tool belongs to the agent that its span names; most
instrumentations leave that to the agent's own span above. So the spans without a name are given
that of the nearest span above which has one. The engine does so where a trace has one agent only,
which is nearly every trace; of the others the ids are read, and looked up here, all at once.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.store.engine.contract import Scan
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.usage import (
    CELL_COLUMNS,
    CELL_KEYS,
    CELL_SUMS,
    TOOL_CALLS,
    Bill,
    read_tiers,
)
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import cut_slice, read_slice
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai import parameters as ask
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 24 * 3600 * NS_PER_S
"""Asked without a range: a day, as of services."""

RESOLVED_SPANS_MAX: Final = 200_000
"""Spans of traces with several agents that are looked through: a second or two, and 200 MB."""

NAMES_MAX: Final = 50
"""Tools, models, services and ids that one agent names: more are made up by a sender. One more of
services and ids is looked for, to say that there are more."""

_COLUMNS: Final = (
    *CELL_COLUMNS,
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "Duration",
    "GenAi",
    "ServiceName",
    "GenAiAgentName",
    "GenAiAgentId",
    "GenAiToolName",
)

# The agents of each trace: where there is one, it is that of every span that names none. Of all
# services, whichever is asked for: an agent calls through others, and they do not name it.
_NAMES: Final = Groups(
    TRACES,
    {"trace": "TraceId"},
    (Aggregate("names", "groupUniqArray(2)", "GenAiAgentName"),),
    ("TraceId", "GenAiAgentName"),
)

_FIGURES: Final = (
    *CELL_SUMS,
    Aggregate("spans", "count"),
    Aggregate("tool_calls", "countIf", TOOL_CALLS),
    Aggregate("tool_failures", "countIf", f"{TOOL_CALLS} AND StatusCode = 'Error'"),
    # A float: spans that never end would wrap 64 bits.
    Aggregate("tool_ns", "sumIf", f"toFloat64(Duration), {TOOL_CALLS}"),
    Aggregate("services", f"groupUniqArray({NAMES_MAX + 1})", "toString(ServiceName)"),
    Aggregate("ids", f"groupUniqArrayIf({NAMES_MAX + 1})", "GenAiAgentId, GenAiAgentId != ''"),
    Aggregate("last", "max", "toUnixTimestamp64Nano(Timestamp) + Duration"),
)

_CELL_KEYS: Final = {**CELL_KEYS, "operation": "GenAiOperation", "tool": "GenAiToolName"}

# Whoever names an agent belongs to it, in whatever trace.
_CELLS: Final = Groups(
    TRACES,
    {
        "trace": "if(GenAiAgentName = '', TraceId, '')",
        "own": "GenAiAgentName",
        "service": "toString(ServiceName)",
        **_CELL_KEYS,
    },
    _FIGURES,
    _COLUMNS,
)

_MERGED: Final = {
    **{each.name: "sum" for each in _FIGURES},
    "input_largest": "max",
    "services": f"groupUniqArrayArray({NAMES_MAX + 1})",
    "ids": f"groupUniqArrayArray({NAMES_MAX + 1})",
    "last": "max",
}
"""What puts the figures of several cells together."""

_RUNS: Final = Groups(
    TRACES,
    {"agent": "GenAiAgentName"},
    (
        Aggregate("runs", "count"),
        Aggregate("failures", "countIf", "StatusCode = 'Error'"),
        Aggregate("mean", "avg", "toFloat64(Duration)"),
        Aggregate("quantiles", "quantilesExact(0.5, 0.95)", "Duration"),
    ),
    ("GenAiAgentName", "StatusCode", "Duration"),
)
_IS_RUN: Final = "GenAiOperation IN ('invoke_agent', 'invoke_workflow') AND GenAiAgentName != ''"


@dataclass(slots=True)
class _Tool:
    calls: int = 0
    failures: int = 0
    nanoseconds: float = 0.0


@dataclass(slots=True)
class _Agent:
    """What is known so far of one agent, or of a service whose calls ran under none."""

    bill: Bill
    ids: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    tools: dict[str, _Tool] = field(default_factory=dict)
    last: int = 0

    def add(self, cell: dict[str, Any]) -> None:
        """Add one row of `_FIGURES`."""
        self.bill.add(cell)
        self.ids.update(cell["ids"])
        self.services.update(cell["services"])
        if cell["calls"]:
            self.models.update(
                name for name in (cell["response_model"] or cell["request_model"],) if name
            )
        if cell["tool_calls"]:
            tool = self.tools.setdefault(cell["tool"], _Tool())
            tool.calls += cell["tool_calls"]
            tool.failures += cell["tool_failures"]
            tool.nanoseconds += cell["tool_ns"]
        self.last = max(self.last, cell["last"])


_Key = tuple[str, bool]
"""A name, and whether it is an agent's (else a service's)."""


def list_agents(store: Store, prices: PriceBook, query: ask.AgentQuery, now: int) -> doc.AgentList:
    """Return one page of agents, most tokens first."""
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("agents", query, snapshot, window=window, now=now)
    window, now = page.window, page.now
    parameters: dict[str, object] = {}
    if query.service is not None:
        parameters["service"] = query.service
    where = f"{time_condition(TRACES, window)} AND {page.condition}"
    reading = _Reading(store, snapshot, where, parameters, query.service)
    parameters["tiers"] = read_tiers(store, prices, snapshot, reading.own, dict(parameters))
    agents: dict[_Key, _Agent] = {}
    for key, cell in reading.cells():
        agents.setdefault(key, _Agent(Bill(prices))).add(cell)
    runs = reading.runs()
    listed = sorted(
        (
            _document(key, agent, runs.get(key))
            for key, agent in agents.items()
            if key in runs or agent.bill.calls or agent.tools
        ),
        key=lambda each: (
            -(each.tokens.input + each.tokens.output),
            -each.runs,
            -each.llm_calls,
            each.agent,
            each.named,
        ),
    )
    shown, rest = cut_slice(listed, page)
    return doc.AgentList(
        agents=shown,
        count=len(shown),
        total=len(listed),
        truncated=rest is not None,
        next=rest,
        start_time=format_time(window.start or 0),
        end_time=format_time(now if window.end is None else window.end),
        unresolved_calls=reading.unresolved,
    )


class _Reading:
    """The GenAI spans of one window at one moment.

    `own` is the condition of those whose figures count.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        where: str,
        parameters: dict[str, object],
        service: str | None,
    ) -> None:
        self.unresolved = 0
        self._snapshot = snapshot
        self._service = service
        self._store = store
        self._where = where
        self._parameters = parameters
        genai = f"{where} AND GenAi"
        self.own = genai if service is None else f"{genai} AND ServiceName = {{service:String}}"
        self._names = f"{genai} AND GenAiAgentName != ''"

    def cells(self) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield figures with whose they are."""
        cells, of_cells = _CELLS.ask(self._snapshot, "spans", self.own)
        names, of_names = _NAMES.ask(self._snapshot, "named", self._names)
        figures = ", ".join(f"{merge}({name}) AS {name}" for name, merge in _MERGED.items())
        rows = self._query(
            "SELECT own = '' AND length(names.names) > 1 AS several,"
            " if(own != '' OR several, own, arrayElement(names.names, 1)) AS agent,"
            f" service, {', '.join(_CELL_KEYS)}, {figures} FROM ({cells}) AS cells"
            f" LEFT JOIN ({names}) AS names ON cells.trace = names.trace"
            f" GROUP BY several, agent, service, {', '.join(_CELL_KEYS)}",
            {"spans": of_cells, "named": of_names},
        ).to_pylist()
        yield from ((_key(cell), cell) for cell in rows if not cell["several"])
        # Of traces with several agents, what names none of them.
        nameless = [cell for cell in rows if cell["several"]]
        if nameless:
            yield from self._sorted_out(nameless)

    def _sorted_out(self, nameless: list[dict[str, Any]]) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield figures of spans that name no agent, by the nearest above that does.

        Where they are too many to look through, they are left under their services.
        """
        traces = self._traces_of_several()
        # Two agents are two spans.
        if 2 * len(traces) <= RESOLVED_SPANS_MAX and self._count(traces) <= RESOLVED_SPANS_MAX:
            yield from self._resolved(traces)
            return
        for cell in nameless:
            self.unresolved += cell["spans"]
            yield _key(cell), cell

    def _traces_of_several(self) -> list[str]:
        """Return the traces with several agents that have something of the service."""
        names, of_names = _NAMES.ask(self._snapshot, "named", self._names)
        scans = {"named": of_names}
        concerned = ""
        if self._service is not None:
            # Agents of other traces need not be sorted out.
            concerned = " AND trace IN (SELECT TraceId FROM @spans)"
            scans["spans"] = Scan(TRACES, ("TraceId",), self.own, group_by=("TraceId",))
        sql = f"SELECT trace FROM ({names}) WHERE length(names) > 1{concerned}"
        found: list[str] = self._query(sql, scans).column("trace").to_pylist()
        return found

    def _count(self, traces: list[str]) -> int:
        scan = Scan(TRACES, ("count() AS spans",), self._of_traces)
        rows = self._query("SELECT sum(spans) AS spans FROM @all", {"all": scan}, traces)
        spans: int = rows["spans"][0].as_py()
        return spans

    def _resolved(self, traces: list[str]) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield figures of single spans that name no agent, by the nearest above that does."""
        import pyarrow.compute as pc  # a start need not wait for it

        keys = ", ".join(f"{expression} AS {name}" for name, expression in _CELL_KEYS.items())
        figures = ", ".join(each.whole for each in _FIGURES)
        rows = self._query(
            "SELECT TraceId, SpanId, ParentSpanId, GenAiAgentName AS agent, GenAi AS genai,"
            f" toString(ServiceName) AS service, {keys}, {figures} FROM @all GROUP BY ALL",
            {"all": Scan(TRACES, _COLUMNS, self._of_traces)},
            traces,
        )
        owners = inherit(
            pc.binary_join_element_wise(rows["TraceId"], rows["SpanId"], ""),
            pc.binary_join_element_wise(rows["TraceId"], rows["ParentSpanId"], ""),
            rows["agent"],
        )
        is_wanted = pc.and_(rows["genai"], pc.equal(rows["agent"], ""))
        if self._service is not None:
            is_wanted = pc.and_(is_wanted, pc.equal(rows["service"], self._service))
        found = rows.set_column(rows.column_names.index("agent"), "agent", owners)
        for cell in found.filter(is_wanted).to_pylist():
            yield _key(cell), cell

    def runs(self) -> dict[_Key, dict[str, Any]]:
        """Return figures of the invocations of each agent."""
        sql, scan = _RUNS.ask(self._snapshot, "spans", f"{self.own} AND {_IS_RUN}")
        rows = self._query(sql, {"spans": scan}).to_pylist()
        return {(row["agent"], True): row for row in rows}

    @property
    def _of_traces(self) -> str:
        return f"{self._where} AND TraceId IN {{traces:Array(String)}}"

    def _query(self, sql: str, scans: Mapping[str, Scan], traces: Sequence[str] = ()) -> pa.Table:
        parameters = {**self._parameters, "traces": list(traces)} if traces else self._parameters
        return self._store.engine.query(
            sql, snapshot=self._snapshot, scans=scans, parameters=parameters, limits=LIMITS
        )


def inherit(keys: pa.ChunkedArray, parents: pa.ChunkedArray, names: pa.ChunkedArray) -> pa.Array:
    """Return for each span its name, else that of the nearest span above that has one, else "".

    Each round doubles how far above a span was looked, so twenty rounds go past a million. A span
    whose parent is not among `keys` is at the top; a circle of parents without a name ends too.
    """
    import pyarrow.compute as pc

    found = names.combine_chunks()
    above = pc.index_in(parents, value_set=keys.combine_chunks()).combine_chunks()
    for _ in range(ROUNDS_MAX):
        if above.null_count == len(above):
            break
        theirs = pc.fill_null(found.take(above), "")
        found = pc.if_else(pc.equal(found, ""), theirs, found)
        above = above.take(above)
    return found


ROUNDS_MAX: Final = 20
"""Twice as deep each: more than the spans of one trace."""


def _key(cell: dict[str, Any]) -> _Key:
    return (cell["agent"], True) if cell["agent"] else (cell["service"], False)


def _document(key: _Key, agent: _Agent, run: dict[str, Any] | None) -> doc.Agent:
    name, is_named = key
    p50, p95 = run["quantiles"] if run else (None, None)
    tools = sorted(agent.tools.items(), key=lambda each: (-each[1].calls, each[0]))
    return doc.Agent(
        agent=name,
        named=is_named,
        agent_ids=sorted(agent.ids)[:NAMES_MAX],
        services=sorted(agent.services)[:NAMES_MAX],
        models=sorted(agent.models)[:NAMES_MAX],
        more_names=max(map(len, (agent.ids, agent.services, agent.models))) > NAMES_MAX,
        runs=run["runs"] if run else 0,
        run_failures=run["failures"] if run else 0,
        failure_rate=run["failures"] / run["runs"] if run else 0.0,
        llm_calls=agent.bill.calls,
        llm_failures=agent.bill.errors,
        tool_calls=sum(tool.calls for tool in agent.tools.values()),
        tool_failures=sum(tool.failures for tool in agent.tools.values()),
        tools=[_tool(name, tool) for name, tool in tools[:NAMES_MAX]],
        tools_left_out=max(0, len(tools) - NAMES_MAX),
        tokens=agent.bill.tokens(),
        cost=agent.bill.cost(),
        avg_ms=run["mean"] / NS_PER_MS if run else None,
        p50_ms=None if p50 is None else p50 / NS_PER_MS,
        p95_ms=None if p95 is None else p95 / NS_PER_MS,
        last_activity=format_time(agent.last),
    )


def _tool(name: str, tool: _Tool) -> doc.ToolUsage:
    return doc.ToolUsage(
        tool=name,
        calls=tool.calls,
        failures=tool.failures,
        failure_rate=tool.failures / tool.calls,
        avg_ms=tool.nanoseconds / tool.calls / NS_PER_MS,
    )
