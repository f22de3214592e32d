"""The counters of how the server itself is, as families of Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.health.limits import describe_limits
from clew.surfaces.health.machine import read_usage

if TYPE_CHECKING:
    from clew.surfaces.rest.desk import Desk

Sample = tuple[dict[str, str], float]

Family = tuple[str, str, str, list[Sample]]
"""Name, type, help, samples."""

OWN_KINDS: Final = frozenset({"own-traces", "own-metrics"})
"""The kinds of record that the server writes of itself, as the pipeline names them."""


def vital_families(desk: Desk) -> list[Family]:
    """Return what the process takes, how near the limits are, what is kept, and what was slow."""
    vitals = desk.vitals
    usage = read_usage()
    shares: list[Sample] = [
        ({"limit": each.name}, each.share)
        for each in describe_limits(desk)
        if each.share is not None
    ]
    families: list[Family] = [
        ("clew_process_resident_bytes", "gauge", "Memory in use.", [({}, usage.resident_bytes)]),
        ("clew_process_cpu_seconds_total", "counter", "Processor time.", [({}, usage.cpu_seconds)]),
        ("clew_limit_used_ratio", "gauge", "How much of each limit is used; 1 is all.", shares),
        (
            "clew_questions_noted_total",
            "counter",
            "Questions that were slow, or failed for a reason of the server.",
            [({}, vitals.questions.seen)],
        ),
        (
            "clew_own_records_total",
            "counter",
            "Records of the server's own telemetry, which no other counter counts.",
            [({}, vitals.own.records)],
        ),
    ]
    measured = vitals.storage.newest
    if measured is not None:
        by_signal = vitals.storage.by_signal(measured)
        bytes_of: list[Sample] = [
            ({"signal": signal}, sum(each.bytes for each in tables))
            for signal, tables in by_signal.items()
        ]
        rows_of: list[Sample] = [
            ({"signal": signal}, sum(each.rows for each in tables))
            for signal, tables in by_signal.items()
        ]
        families += [
            ("clew_store_bytes", "gauge", "On disk, as it was last measured.", bytes_of),
            ("clew_store_rows", "gauge", "In the engine, as it was last measured.", rows_of),
        ]
    return families
