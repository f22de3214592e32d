"""The tables of several servers: a standby, a change of leader, a query tier over shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.cells import brief, show, table

if TYPE_CHECKING:
    from bench.figures import Figure

_GROUPS: Final = {
    "alone": "a server alone",
    "one_ack": "one standby that must have each record",
    "no_ack": "one standby, nothing waited for",
}

_COSTS: Final = {
    "CPU-s/M, both servers": "cpu_s_per_million",
    "of it the leader": "leader_cpu_s_per_million",
    "ack p50 ms": "ack_p50_ms",
    "ack p99 ms": "ack_p99_ms",
    "spans/s unpaced": "spans_per_s",
}

_RATIOS: Final = ("cpu", "leader_cpu", "ack_p50", "ack_p99")

_WAYS_OVER: Final = {
    "promote": "promoted by hand, two of three left",
    "lease": "by the lease of 10 s, two of three left",
    "pair": "a pair, the killed one started again at once",
}

_STEPS: Final = (
    "whole",
    "noticing",
    "doors_closed",
    "store_closed",
    "others_asked",
    "store_opened",
    "doors_opened",
    "first_write",
)


def tell_replication(figures: dict[str, Figure]) -> list[str]:
    """Return what a standby costs, and how long a change of leader takes."""
    if "replication.alone.cpu_s_per_million" not in figures:
        return ["Not measured yet."]
    costs = [
        (what, *(show(figures, f"replication.{mode}.{name}") for name in _COSTS.values()))
        for mode, what in _GROUPS.items()
    ]
    costs += [
        (
            f"{_GROUPS[mode]}, of a server alone",
            *(f"{show(figures, f'replication.{mode}_of_alone.{name}')} x" for name in _RATIOS),
            "",
        )
        for mode in list(_GROUPS)[1:]
    ]
    over = [
        (what, *(show(figures, f"failover.{way}.{step}_s") for step in _STEPS))
        for way, what in _WAYS_OVER.items()
    ]
    told = (
        "All servers, the load and its clients share the same cores and the same disk. The load "
        "that acks are of is paced, so that no core is full."
    )
    then = (
        "A leader is killed (`kill -9`) under load; seconds until the first write that any client "
        "gets acknowledged by the next one, and of its parts:"
    )
    return [
        told,
        table(("", *_COSTS), costs),
        then,
        table(("s", *(step.replace("_", " ") for step in _STEPS)), over),
    ]


_QUESTIONS: Final = {
    "trace": "a trace by its id",
    "service": "newest 20 of a service",
    "attribute": "newest 20 with an attribute",
    "summary": "summary of everything",
    "services": "services of everything",
    "topology": "topology of everything",
}


def tell_fanout(figures: dict[str, Figure]) -> list[str]:
    """Return what questions to a tier over two shards cost, beside one server with the same."""
    if "fanout.trace_one_ms" not in figures:
        return ["Not measured yet."]
    rows = []
    for name, what in _QUESTIONS.items():
        one, tier = (figures[f"fanout.{name}_{side}_ms"].value for side in ("one", "tier"))
        rows.append(
            (
                what,
                *(show(figures, f"fanout.{name}_{side}_ms") for side in ("one", "tier")),
                f"{tier / one:.2g} x",
                *(brief(figures, f"fanout.{name}_{side}_cpu_ms") for side in ("one", "tier")),
            )
        )
    told = (
        "A million spans on one server, and every other block of them on each of two shards; the "
        "tier, its shards and the one server share the same two cores. CPU is that of all "
        "processes that take part in an answer."
    )
    head = (
        "ms",
        "one server",
        "tier over two shards",
        "tier of one",
        "CPU, one",
        "CPU, tier and shards",
    )
    return [told, table(head, rows)]
