"""How the server is, as one document."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from clew.access.caller import Verb
from clew.answers.health_documents import (
    Health,
    Loss,
    OwnProcess,
    OwnTelemetry,
    SignalStorage,
    SlowQuestion,
    SlowQuestionReport,
    StorageReport,
    TableStorage,
)
from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.base.version import own_version
from clew.surfaces.health.limits import describe_limits
from clew.surfaces.health.machine import disk_of, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.access.caller import Caller
    from clew.surfaces.health.questions import AskedQuestion
    from clew.surfaces.health.storage import Measured
    from clew.surfaces.rest.desk import Desk

LISTED_MAX: Final = 50
"""Questions of each list: a screen or two."""


def describe_health(desk: Desk, measured: Measured, caller: Caller) -> Health:
    """Return the document for a caller; on the event loop, which the counters belong to."""
    now = time.time_ns()
    return Health(
        at=format_time(now),
        process=_process(desk, now),
        limits=describe_limits(desk),
        storage=_storage(desk, measured),
        questions=_questions(desk, caller),
        losses=_losses(desk, now),
        own=_own(desk),
    )


def _process(desk: Desk, now: int) -> OwnProcess:
    usage = read_usage()
    return OwnProcess(
        version=own_version(),
        pid=os.getpid(),
        started_at=format_time(desk.vitals.started_at),
        uptime_seconds=(now - desk.vitals.started_at) / NS_PER_S,
        cpu_seconds=usage.cpu_seconds,
        resident_bytes=usage.resident_bytes,
        threads=usage.threads,
    )


def _storage(desk: Desk, measured: Measured) -> StorageReport:
    meter = desk.vitals.storage
    tables = [
        TableStorage(
            table=each.table,
            signal=meter.signals[each.table],
            rows=each.rows,
            parts=each.parts,
            bytes=each.bytes,
            data_bytes=each.data_bytes,
            uncompressed_bytes=each.uncompressed_bytes,
            index_bytes=each.index_bytes,
        )
        for each in measured.tables
    ]
    signals = [
        SignalStorage(
            signal=signal,
            rows=sum(each.rows for each in sizes),
            bytes=sum(each.bytes for each in sizes),
            uncompressed_bytes=sum(each.uncompressed_bytes for each in sizes),
            index_bytes=sum(each.index_bytes for each in sizes),
        )
        for signal, sizes in meter.by_signal(measured).items()
    ]
    disk = disk_of(desk.vitals.data_dir)
    return StorageReport(
        measured_at=format_time(measured.at),
        signals=sorted(signals, key=lambda each: (-each.bytes, each.signal)),
        tables=sorted(tables, key=lambda each: (-each.bytes, each.table)),
        rows=sum(each.rows for each in tables),
        bytes=sum(each.bytes for each in tables),
        log_bytes=desk.pipeline.status().log_bytes,
        registry_bytes=meter.registry(),
        disk_free_bytes=None if disk is None else disk[1] - disk[0],
    )


def _questions(desk: Desk, caller: Caller) -> SlowQuestionReport:
    slow = desk.vitals.questions
    return SlowQuestionReport(
        threshold_ms=slow.threshold_ms,
        seen=slow.seen,
        newest=_told(slow.newest(), caller),
        slowest=_told(slow.slowest(), caller),
    )


def _told(questions: Iterable[AskedQuestion], caller: Caller) -> list[SlowQuestion]:
    """Return questions as a caller may read them: what others ask is between them and admins."""
    verbs = caller.verbs if caller.at_most is None else caller.verbs & caller.at_most
    sees_all = Verb.ADMIN in verbs
    told = []
    for each in list(questions)[:LISTED_MAX]:
        is_seen = sees_all or each.subject == caller.subject
        told.append(
            SlowQuestion(
                at=format_time(each.at),
                method=each.method,
                route=each.route,
                asked=each.asked if is_seen else None,
                caller=each.subject if is_seen else None,
                duration_ms=each.duration_ns / NS_PER_MS,
                status=each.status,
            )
        )
    return told


def _losses(desk: Desk, now: int) -> list[Loss]:
    book = desk.vitals.losses
    found = [(kind, count, book.grew_at(kind)) for kind, count in book.look(desk, now).items()]
    found.sort(key=lambda each: (-(each[2] or 0), each[0]))
    return [
        Loss(
            signal=kind.signal,
            outcome=kind.outcome,
            reason=kind.reason,
            count=count,
            last_at=None if at is None else format_time(at),
        )
        for kind, count, at in found
    ]


def _own(desk: Desk) -> OwnTelemetry:
    vitals = desk.vitals
    at = vitals.own.last_at
    return OwnTelemetry(
        interval_seconds=vitals.own_seconds,
        retention_seconds=vitals.own_retention_seconds,
        records=vitals.own.records,
        failures=vitals.own.failures,
        last_at=None if at is None else format_time(at),
    )
