"""The shards of a query tier: who they are, and how they are at this moment."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.version import own_version
from clew.remote.choice import Choice, Told, is_unsure, tell_promotion, tell_unled, tell_unsure
from clew.remote.shards import REFUSED, advise_key
from clew.store.engine.exchange import find_twins
from clew.surfaces.rest.route import BASE, QueryRoute
from clew.telemetry.documents import IngestStatus, SignalStatus
from clew.telemetry.group import ShardList, ShardMember, ShardStatus
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.remote.looks import Heard
    from clew.remote.shards import Looked
    from clew.surfaces.rest.desk import Desk

LOOK_SECONDS_MAX: Final = 2.0
"""How long a shard may take to say that it is there: a probe's own timeout is longer."""


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
    looked = desk.shards.look(timeout_s=LOOK_SECONDS_MAX)
    # Of every server: one that does not lead now may tomorrow.
    ids = [
        (each.shard.name, heard.told.data_id)
        for each in looked
        for heard in each.heard.values()
        if isinstance(heard.told, Told) and (heard.told.group or not each.shard.others)
    ]
    twins = find_twins(ids)
    return [_status(each, twins.get(each.shard.name)) for each in looked]


def _status(looked: Looked, twin: str | None) -> ShardStatus:
    shard, asked = looked.shard, looked.asked
    members = [_member(url, each, looked) for url, each in looked.heard.items()]
    error = asked.message if isinstance(asked, ClewError) else None
    if error is None and twin is not None:
        error = f"it has the same records as {twin}: name it once"
    if isinstance(asked, ClewError):
        return ShardStatus(
            name=shard.name,
            url=shard.url,
            reachable=asked.code is ErrorCode.CONFLICT,
            latency_ms=None,
            newest_frame=None,
            error=error,
            members=members if shard.others else [],
            advice=advise_key(shard.name) if asked.code in REFUSED else None,
            refuses=asked.code in REFUSED,
        )
    heard = looked.heard[asked.url]
    assert isinstance(heard.told, Told), "who is asked has told what it is"
    return ShardStatus(
        name=shard.name,
        url=asked.url,
        reachable=True,
        latency_ms=heard.ms,
        newest_frame=heard.told.acked,
        error=error,
        leader=asked.url if asked.leads and asked.group else None,
        warning="; ".join(_list_warnings(looked, asked, heard.told)) or None,
        members=members if shard.others else [],
        version=heard.version,
        advice=_advise(looked, asked),
    )


def _advise(looked: Looked, asked: Choice) -> str | None:
    """Return what has a shard led again that nobody leads."""
    if asked.leads or not looked.shard.others:
        return None
    return tell_promotion(looked.shard.name, asked.url, list(_list_silent(looked)))


def _list_silent(looked: Looked) -> Iterator[str]:
    return (url for url, each in looked.heard.items() if isinstance(each.told, ClewError))


def _list_warnings(looked: Looked, asked: Choice, told: Told) -> Iterator[str]:
    """Yield what answers may lack though the shard answers."""
    if is_unsure(asked, told):
        yield _tell_unsure(looked, asked)
    lack = looked.lack
    if lack is not None:
        yield (
            f"{lack.url} runs clew {lack.version or 'of an unknown version'} and has no "
            f"{lack.path}, which this query tier of version {own_version()} asks for, so that "
            "answers lack it: give all the same version"
        )


def _tell_unsure(looked: Looked, asked: Choice) -> str:
    if asked.leads:
        return (
            f"{asked.url} has begun to lead, and does not show what was acknowledged last before "
            "as many others are there as a write waits for"
        )
    what = "may not show yet what was acknowledged last, and takes nothing that is written"
    if not looked.shard.others:
        return f"it is a standby, {what}; name its leader as well, by the same name"
    return f"{tell_unled(list(_list_silent(looked)))}; {tell_unsure(asked)} answers, {what}"


def _member(url: str, heard: Heard, looked: Looked) -> ShardMember:
    if isinstance(heard.told, ClewError):
        return ShardMember(url=url, reachable=False, error=heard.told.message)
    told, asked = heard.told, looked.asked
    leads = isinstance(asked, Choice) and asked.leads and asked.url == url
    return ShardMember(
        url=url,
        reachable=True,
        role=told.role or None,
        leads=leads,
        epoch=told.epoch if told.group else None,
        newest_frame=told.acked,
        latency_ms=heard.ms,
        version=heard.version,
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
