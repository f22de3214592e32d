"""The shards of a query tier: who they are, and how they are at this moment."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.exchange import NewestFrame, decode_frame, find_twins
from clew.surfaces.internal.paths import FRAMES_PATH
from clew.surfaces.rest.route import BASE, QueryRoute
from clew.telemetry.documents import IngestStatus, SignalStatus
from clew.telemetry.group import ShardList, ShardStatus
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.surfaces.rest.desk import Desk

LOOK_SECONDS_MAX: Final = 2.0
"""How long a shard may take to say that it is there: a probe's own timeout is longer."""

NS_PER_MS: Final = 1_000_000


def look_at_shards(desk: Desk) -> list[ShardStatus]:
    """Return how each shard is; blocks, for `LOOK_SECONDS_MAX` at most.

    Raises:
        ClewError: NOT_FOUND on a server that is no query tier.
    """
    if desk.shards is None:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "this server is no query tier",
            hint="start one with: clew serve --shards URL,URL",
        )
    looked = desk.shards.look(_look, timeout_s=LOOK_SECONDS_MAX)
    twins = find_twins(
        [(shard, each.newest) for shard, each in looked if isinstance(each, _Looked)]
    )
    return [_status(shard, each, twins.get(shard.name)) for shard, each in looked]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a shard said, and how long it took."""

    newest: NewestFrame
    ms: float


def _look(server: Server) -> _Looked:
    started = time.perf_counter_ns()
    newest = decode_frame(server.get(FRAMES_PATH).body)
    return _Looked(newest, (time.perf_counter_ns() - started) / NS_PER_MS)


def _status(shard: Shard, looked: _Looked | ClewError, twin: str | None) -> ShardStatus:
    if isinstance(looked, ClewError):
        return ShardStatus(
            name=shard.name,
            url=shard.url,
            reachable=False,
            latency_ms=None,
            newest_frame=None,
            error=looked.message,
        )
    return ShardStatus(
        name=shard.name,
        url=shard.url,
        reachable=True,
        latency_ms=looked.ms,
        newest_frame=looked.newest.acked,
        error=None if twin is None else f"it has the same records as {twin}: name it once",
    )


def gather_ingest(desk: Desk) -> IngestStatus:
    """Return how the way in is doing at every shard; blocks.

    Raises:
        ClewError: UNAVAILABLE when no shard answers.
    """
    assert desk.shards is not None, "there are shards to ask"
    gathered = desk.shards.ask(
        lambda server: TelemetryClient(server).get_ingest_status().document()
    )
    by_name = {shard.name: status for shard, status in gathered.answers}
    every = list(by_name.values())
    troubles = [f"{name}: {each.last_error}" for name, each in by_name.items() if each.last_error]
    return IngestStatus(
        signals=_add_up([signal for each in every for signal in each.signals]),
        acked_frame=0,
        flushed_frame=0,
        hot_rows=sum(each.hot_rows for each in every),
        batches_waiting=sum(each.batches_waiting for each in every),
        log_bytes=sum(each.log_bytes for each in every),
        log_bytes_max=sum(each.log_bytes_max for each in every),
        damaged_frames=sum(each.damaged_frames for each in every),
        refused_frames=sum(each.refused_frames for each in every),
        writable=all(each.writable for each in every),
        last_error="; ".join(troubles) or None,
        decoder=", ".join(sorted({each.decoder for each in every})),
        shards=by_name,
    )


def _add_up(signals: list[SignalStatus]) -> list[SignalStatus]:
    """Return what shards say of each signal as one."""
    together: dict[str, SignalStatus] = {}
    for one in signals:
        known = together.setdefault(one.signal, one)
        if known is not one:
            together[one.signal] = _together(known, one)
    return list(together.values())


def _together(one: SignalStatus, other: SignalStatus) -> SignalStatus:
    accepted = [each.last_accepted_at for each in (one, other) if each.last_accepted_at]
    dropped = one.dropped
    if isinstance(dropped, dict) and isinstance(other.dropped, dict):
        dropped = dict(Counter(dropped) + Counter(other.dropped))
    return SignalStatus(
        signal=one.signal,
        requests=one.requests + other.requests,
        records=one.records + other.records,
        rejected=dict(Counter(one.rejected) + Counter(other.rejected)),
        malformed=one.malformed + other.malformed,
        shed=one.shed + other.shed,
        last_accepted_at=max(accepted, default=None),
        dropped=dropped,
    )


def _list_shards(desk: Desk) -> ShardList:
    shards = look_at_shards(desk)
    return ShardList(shards=shards, count=len(shards), total=len(shards), truncated=False)


ROUTES: Final = (
    QueryRoute(
        path=f"{BASE}/shards",
        summary="The shards of a query tier, and how each is",
        tag="server",
        documents=(ShardList,),
        errors=(400, 404, 429, 503),
        ask=lambda desk, _asked: _list_shards(desk),
    ),
)
