"""How the server is: alive, ready, its intake, its counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response

from clew.base.errors import ClewError
from clew.base.times import format_time
from clew.surfaces.health.report import describe_health
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.prometheus import TEXT_TYPE, write_metrics
from clew.surfaces.rest.questions import Check, Readiness
from clew.surfaces.rest.routes.shards import gather_ingest, look_at_shards
from clew.telemetry.documents import IngestStatus, SignalStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.store.status import KindStatus
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Asked
    from clew.telemetry.group import GroupStatus

CHECK_SECONDS_MAX: Final = 2.0
"""How long a part may take to say that it is there: a probe's own timeout is longer."""


async def answer_healthz(_desk: Desk, _asked: Asked) -> Response:
    """Say that the process is alive; nothing is asked for it."""
    return PlainTextResponse("ok\n")


async def answer_readyz(desk: Desk, asked: Asked) -> Response:
    """Say whether records can be written and questions answered; 503 when not."""
    refusals = list(_check_writes(desk)) if asked.parameters.writes else []
    if desk.shards is not None:
        return await _answer_tier(desk, refusals)
    checks = [
        # A standby whose log takes nothing falls behind, so it is to answer nobody either.
        _check_log(desk),
        await _check(desk, "engine", desk.check_engine),
        await _check(desk, "registry", desk.check_registry),
    ]
    if desk.group is None or desk.group.leads:
        checks += [_check_tree(desk), _check_journal(desk)]
    checks += refusals
    return _answer_ready(desk, checks, is_ready=all(check.ok for check in checks))


def _check_writes(desk: Desk) -> Iterator[Check]:
    """Tell why a server takes nothing in that is well."""
    if desk.shards is not None:
        yield Check(name="writes", ok=False, detail="a query tier takes none")
    elif desk.group is not None and not desk.group.leads:
        yield Check(name="writes", ok=False, detail=desk.group.refusal().message)


async def _answer_tier(desk: Desk, refusals: list[Check]) -> Response:
    """Say which shards answer; one is enough to be ready."""
    shards = await desk.live_threads.run(lambda: look_at_shards(desk))
    checks = [
        Check(
            name=f"shard {shard.name}", ok=shard.error is None, detail=shard.error or shard.warning
        )
        for shard in shards
    ]
    is_ready = any(check.ok for check in checks) and not refusals
    return _answer_ready(desk, [*checks, *refusals], is_ready=is_ready)


def _answer_ready(desk: Desk, checks: list[Check], *, is_ready: bool) -> Response:
    group = None if desk.group is None else desk.group.status()
    if group is not None and group.is_leader:
        standbys = _check_standbys(group)
        checks.append(standbys)
        is_ready = is_ready and standbys.ok
    if desk.closing.is_set():
        checks.append(Check(name="server", ok=False, detail="it is closing"))
        is_ready = False
    shards = None if desk.shards is None else list(desk.shards.names)
    document = Readiness(ready=is_ready, checks=checks, group=group, shards=shards)
    return answer_document(encode(document), 200 if is_ready else 503)


def _check_standbys(group: GroupStatus) -> Check:
    """Tell whether enough standbys are there for anything to be acknowledged."""
    there = sum(peer.ok for peer in group.peers)
    missing = ", ".join(f"{peer.url} ({peer.detail})" for peer in group.peers if not peer.ok)
    detail = f"missing: {missing}" if missing else None
    return Check(name="standbys", ok=there >= group.required_acks, detail=detail)


def _check_log(desk: Desk) -> Check:
    status = desk.pipeline.status()
    if status.writable:
        return Check(name="log", ok=True, detail=status.last_error)
    return Check(name="log", ok=False, detail=status.last_error or "it takes no records")


def _check_tree(desk: Desk) -> Check:
    if desk.keeper.is_well:
        return Check(name="tree", ok=True, detail=None)
    return Check(name="tree", ok=False, detail="nothing can be decided at present")


def _check_journal(desk: Desk) -> Check:
    """Tell of what the journal lacks; apps are served all the same, so it is ready."""
    detail = None
    if not desk.journal.is_telling:
        detail = f"telemetry takes nothing at present; {desk.journal.behind} entries wait"
    lost = max(desk.journal.lost, desk.upkeep.lost)
    if lost:
        told = f"{lost} entries were removed before telemetry had taken them"
        detail = told if detail is None else f"{detail}; {told}"
    return Check(name="journal", ok=True, detail=detail)


async def _check(desk: Desk, name: str, call: Callable[[], None]) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await desk.live_threads.run(call)
    except TimeoutError:
        detail = f"it does not answer in {CHECK_SECONDS_MAX:g} s"
        return Check(name=name, ok=False, detail=detail)
    except ClewError as error:
        return Check(name=name, ok=False, detail=error.message)
    return Check(name=name, ok=True, detail=None)


async def answer_metrics(desk: Desk, _asked: Asked) -> Response:
    """Give our own counters as Prometheus reads them."""
    try:
        apps = await desk.live_threads.run(desk.count_apps)
    except ClewError:
        # The registry does not answer, which `clew_tree_ready` and /readyz tell; the rest is known.
        apps = {}
    return Response(write_metrics(desk, apps), media_type=TEXT_TYPE)


async def answer_health(desk: Desk, asked: Asked) -> Response:
    """Say how near the limits are, what is kept, what was slow and what was lost.

    Not on the threads of questions: it is asked when those are all at work.
    """
    measured = await desk.live_threads.run(desk.vitals.storage.measure)
    return answer_document(encode(describe_health(desk, measured, asked.caller)))


async def answer_ingest_status(desk: Desk, _asked: Asked) -> Response:
    """Say how the way in is doing."""
    if desk.shards is not None:
        return answer_document(encode(await desk.live_threads.run(lambda: gather_ingest(desk))))
    return answer_document(encode(describe_ingest(desk)))


def describe_ingest(desk: Desk) -> IngestStatus:
    """Return what came, what was refused, what waits and what is wrong."""
    status = desk.pipeline.status()
    signals = []
    for signal, door in desk.intake.counters.items():
        kind = status.kinds[signal.value]
        accepted_at = kind.last_accepted_at
        signals.append(
            SignalStatus(
                signal=signal.value,
                requests=door.requests,
                records=kind.rows,
                rejected=dict(kind.rejected),
                malformed=kind.malformed + door.malformed,
                # Whatever the sender was told to send again.
                shed=kind.shed + kind.failed + door.shed,
                last_accepted_at=format_time(accepted_at) if accepted_at is not None else None,
            )
        )
    signals.append(_describe_links(desk, status.kinds["links"]))
    return IngestStatus(
        signals=signals,
        acked_frame=status.acked,
        flushed_frame=status.flushed,
        hot_rows=status.hot_rows,
        batches_waiting=status.batches_waiting,
        log_bytes=status.log_bytes,
        log_bytes_max=status.log_bytes_max,
        damaged_frames=status.damaged_frames,
        refused_frames=status.refused_frames,
        writable=status.writable,
        last_error=status.last_error,
        decoder=desk.decoder,
        group=None if desk.group is None else desk.group.status(),
    )


def _describe_links(desk: Desk, kind: KindStatus) -> SignalStatus:
    """Return what became of link sets; a request is a message, or a body in which there is none."""
    doors = desk.links.counters().values()
    malformed = sum(door.malformed for door in doors)
    refused: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for door in doors:
        refused.update(door.refused)
        dropped.update(door.dropped)
    accepted = sum(door.accepted for door in doors)
    at = kind.last_accepted_at
    return SignalStatus(
        signal="links",
        requests=accepted + refused.total() + dropped.total() + malformed,
        records=accepted,
        rejected=dict(sorted(refused.items())),
        malformed=malformed,
        shed=dropped.total(),
        last_accepted_at=format_time(at) if at is not None else None,
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
    )
