"""What `clew servers` tells: every server of a group, or every shard of a tier, and how each is.

A server of a group knows where the others are, and its leader how far they have come. All of them
are asked at once, each for itself, since no one of them knows whether the others think that they
lead as well. What cannot be reached from here is told by its leader's word.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import LEADING, OPENING
from clew.remote.http import Server
from clew.remote.reply import BASE, decode
from clew.surfaces.cli.text import plural, show_duration
from clew.telemetry.group import GroupStatus, ShardList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.telemetry.group import PeerStatus, ShardMember, ShardStatus

CLUSTER_PATH: Final = "/internal/cluster"
SHARDS_PATH: Final = f"{BASE}/shards"

CONNECT_SECONDS_MAX: Final = 1.0
ANSWER_SECONDS_MAX: Final = 3.0
"""How long one of the others may take: whoever is gone is told within a second or three, and they
are asked at once."""

FIRST_SECONDS_MAX: Final = 10.0
"""How long the one that is asked may take: it tells what it has in memory."""

MS_PER_S: Final = 1000

TIER: Final = "shards"
"""The kind of report that a query tier gets."""

LEADS: Final = "leads"
FOLLOWS: Final = "follows"
ALONE: Final = "alone"
TWICE: Final = "twice"
REFUSES: Final = "refuses"
APART: Final = "apart"
"""States of a shard with which nothing is answered: another one has its records, its servers do not
have the same, or it does not let the tier in."""

WELL: Final = frozenset({LEADS, FOLLOWS, ALONE})
"""States of a server with which nothing is wrong; a shard that is well `answers`."""


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """One server, or one shard.

    `name` is what a tier calls a shard, and `members` are the servers of one that is a group.
    `role` is `leader`, `standby`, `alone` or `shard`, null where nothing was heard of it. `state`
    is how it is in a word or two, and `detail` says more where it is not well. `has` is the newest
    frame of the log that it has on disk, and it lacks `behind` frames of what its leader has
    written. `answered_ms` is how long it took to answer; null where it was not reached from here.
    """

    url: str
    ok: bool
    state: str
    name: str | None = None
    role: str | None = None
    epoch: int | None = None
    has: int | None = None
    behind: int | None = None
    heard_seconds: float | None = None
    answered_ms: float | None = None
    detail: str | None = None
    members: list[ServerState] = []


class LeaseState(msgspec.Struct, frozen=True, kw_only=True):
    """The lease of a group: where it is kept, who holds it, for how many seconds yet.

    `error` says why it could not be asked last.
    """

    address: str
    holder: str | None
    seconds_left: float | None
    error: str | None = None


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `clew servers`.

    `kind` is what was asked: a server of a group, a query tier over shards, or one that is alone.
    `ok` is false where nobody leads, or any server is not well. `have_all` is how many servers have
    everything that is acknowledged, the leader among them. `notes` say what to do.
    """

    kind: Literal["group", "shards", "alone"]
    ok: bool
    asked: str
    leader: str | None = None
    epoch: int | None = None
    required_acks: int | None = None
    have_all: int | None = None
    lease: LeaseState | None = None
    notes: list[str] = []
    servers: list[ServerState]
    count: int
    total: int
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one server: its place in the group, or why it was not told.

    One that `opens` starts, or changes its role, and its doors are shut meanwhile.
    """

    url: str
    told: GroupStatus | None
    ms: float | None = None
    error: ClewError | None = None
    opens: bool = False


def look_at_servers(server: Server, api_key: str | None) -> ServerReport:
    """Ask a server for its place among others, and then the others.

    `api_key` is shown to each of them, as it was to the first one.

    Raises:
        ClewError: the server that was asked does not answer, or does not let us in.
    """
    started = time.perf_counter()
    with server.within(FIRST_SECONDS_MAX):
        told = decode(server.get(CLUSTER_PATH).body, GroupStatus)
    spent = (time.perf_counter() - started) * MS_PER_S
    if not told.enabled:
        shards = _find_shards(server)
        if shards is not None:
            return report_shards(shards, server.url)
    first = Asked(told.url or server.url, told, spent, opens=server.role == OPENING)
    others = _name_others(told, {first.url, server.url})
    heard: list[Asked] = []
    if others:
        with ThreadPoolExecutor(len(others)) as threads:
            heard = list(threads.map(lambda url: _ask(url, api_key), others))
    return report_group([first, *heard], server.url)


def _find_shards(server: Server) -> ShardList | None:
    """Return how the shards of a tier are, None of a server that is none."""
    try:
        return decode(server.get(SHARDS_PATH).body, ShardList)
    except ClewError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


def _name_others(told: GroupStatus, known: set[str]) -> list[str]:
    """Return the addresses that a server knows, but for those `known`, each once."""
    urls = [told.leader_url, *told.others, *(peer.url for peer in told.peers)]
    return list(dict.fromkeys(url for url in urls if url is not None and url not in known))


def _ask(url: str, api_key: str | None) -> Asked:
    started = time.perf_counter()
    try:
        with Server(
            url,
            api_key=api_key,
            session="off",
            read_timeout_s=ANSWER_SECONDS_MAX,
            connect_timeout_s=CONNECT_SECONDS_MAX,
        ) as server:
            told = decode(server.get(CLUSTER_PATH).body, GroupStatus)
            opens = server.role == OPENING
    except ClewError as error:
        return Asked(url, None, error=error)
    return Asked(url, told, (time.perf_counter() - started) * MS_PER_S, opens=opens)


def report_group(asked: Sequence[Asked], server: str) -> ServerReport:
    """Return how a group is by what each of its servers tells; `server` is who was asked first."""
    heard = _once(asked)
    alone = heard[0].told is not None and not heard[0].told.enabled
    leads = [each for each in heard if each.told is not None and each.told.is_leader]
    leader = max(leads, key=_epoch_of, default=None)
    # In an order of their own, so that none jumps when another one leads.
    servers = sorted((_describe(each, leader) for each in heard), key=lambda each: each.url)
    told = None if leader is None else leader.told
    notes = [] if alone else list(_notes(heard, leader))
    return ServerReport(
        kind="alone" if alone else "group",
        ok=alone or (leader is not None and all(each.ok for each in servers)),
        asked=server,
        leader=None if leader is None else leader.url,
        epoch=None if told is None else told.epoch,
        required_acks=None if told is None else told.required_acks,
        have_all=None if told is None else _count_copies(told),
        lease=None if alone else _find_lease(heard, leader),
        notes=notes,
        servers=servers,
        count=len(servers),
        total=len(servers),
    )


def report_shards(found: ShardList, server: str) -> ServerReport:
    """Return how the shards of a tier are."""
    servers = [_describe_shard(each) for each in found.shards]
    away = [each.name or each.url for each in servers if each.state == "away"]
    refusing = [each.name or each.url for each in servers if each.state == REFUSES]
    notes = [f"answers lack what is at {', '.join(away)}, and say so"] if away else []
    if refusing:
        one = len(refusing) == 1
        names = ", ".join(refusing)
        notes = [f"{names} {'refuses' if one else 'refuse'} the tier, so nothing is answered"]
    if len(away) == len(servers):
        notes = ["no shard answers, so nothing can be asked of this tier"]
    elif any(each.state == TWICE for each in servers):
        notes.append("records would count twice, so nothing is answered: start it with others")
    elif any(each.state == APART for each in servers):
        notes.append(
            "servers of one shard keep different records, so nothing is answered: start it with "
            "others"
        )
    for shard in found.shards:
        if shard.advice is not None:
            notes.append(shard.advice)
    return ServerReport(
        kind="shards",
        ok=all(each.ok for each in servers),
        asked=server,
        notes=notes,
        servers=servers,
        count=len(servers),
        total=found.total,
    )


def _once(asked: Sequence[Asked]) -> list[Asked]:
    """Return each server once: two may know a third one by different addresses."""
    seen: set[str] = set()
    kept = []
    for each in asked:
        node = each.told.node_id if each.told is not None else None
        if node is None or node not in seen:
            kept.append(each)
        if node is not None:
            seen.add(node)
    return kept


def _epoch_of(asked: Asked) -> int:
    return asked.told.epoch if asked.told is not None else 0


def _describe(asked: Asked, leader: Asked | None) -> ServerState:
    seen = _seen_by(leader, asked.url)
    if asked.told is None:
        return _describe_unreached(asked, seen)
    told = asked.told
    has, behind = told.last, told.behind
    if seen is not None and seen.acked is not None:
        # What counts is what the leader was told.
        has, behind = seen.acked, seen.behind
    state, detail = _judge(asked, leader, seen)
    return ServerState(
        url=asked.url,
        ok=state in WELL and detail is None,
        state=state,
        role=told.role,
        epoch=told.epoch if told.enabled else None,
        has=has if told.enabled else None,
        behind=behind,
        heard_seconds=told.heard_seconds,
        answered_ms=asked.ms,
        detail=detail,
    )


def _describe_unreached(asked: Asked, seen: PeerStatus | None) -> ServerState:
    assert asked.error is not None, "it told, or it did not"
    if seen is not None and seen.ok:
        return ServerState(
            url=asked.url,
            ok=True,
            state=FOLLOWS,
            has=seen.acked,
            behind=seen.behind,
            detail="by the word of its leader; it is not reached from here",
        )
    return ServerState(
        url=asked.url,
        ok=False,
        state="away",
        has=None if seen is None else seen.acked,
        behind=None if seen is None else seen.behind,
        detail=asked.error.message,
    )


def _judge(asked: Asked, leader: Asked | None, seen: PeerStatus | None) -> tuple[str, str | None]:
    """Return how a server is that answered, and what is not well, None where all is."""
    told = asked.told
    assert told is not None
    if not told.enabled:
        if leader is None and seen is None:
            return ALONE, None
        return ALONE, "it belongs to no group: start it with --standby and the others' addresses"
    if told.is_leader:
        if leader is not None and asked is not leader:
            return "led", f"it has not heard that epoch {_epoch_of(leader)} began elsewhere"
        return LEADS, _find_lack(told)
    if leader is None:
        silence = "it is about to open its doors" if asked.opens else _tell_silence(told)
        return "waits", told.detail or silence
    assert leader.told is not None
    if told.leader != leader.told.node_id:
        return "waits", told.detail or f"it does not know yet that {leader.url} leads"
    if seen is None:
        # Its leader knows it by another address.
        return FOLLOWS, told.detail
    return (FOLLOWS, None) if seen.ok else ("behind", told.detail or seen.detail)


def _find_lack(leader: GroupStatus) -> str | None:
    """Return what keeps a leader from taking writes."""
    if leader.lease is not None and not leader.lease_seconds_left:
        return "its lease has ended, so it refuses what is written until it has it again"
    there = sum(peer.ok for peer in leader.peers)
    missing = leader.required_acks - there
    if missing <= 0:
        return None
    return f"it refuses what is written until it has {plural(missing, 'more standby')}"


def _tell_silence(told: GroupStatus) -> str:
    if told.leader_url is None:
        return "it follows nobody yet"
    if told.leader_url == told.url:
        return "it led last, and waits for the others"
    if told.heard_seconds is None:
        return f"it has not heard {told.leader_url} since it started"
    return f"it heard {told.leader_url} {show_duration(told.heard_seconds * MS_PER_S)} ago"


def _seen_by(leader: Asked | None, url: str) -> PeerStatus | None:
    """Return what the leader says of a server."""
    if leader is None or leader.told is None:
        return None
    return next((peer for peer in leader.told.peers if peer.url == url), None)


def _count_copies(leader: GroupStatus) -> int:
    """Return how many servers have everything that is acknowledged."""
    # One that was not heard yet, or begins anew, has nothing for certain.
    return 1 + sum((peer.acked or 0) >= max(leader.acked, not peer.ok) for peer in leader.peers)


def _find_lease(heard: Sequence[Asked], leader: Asked | None) -> LeaseState | None:
    """Return the lease as its holder tells it, else as whoever looked at it last."""
    first = () if leader is None else (leader,)
    for each in (*first, *heard):
        told = each.told
        if told is not None and told.lease is not None:
            return LeaseState(
                address=told.lease,
                holder=told.lease_holder,
                seconds_left=told.lease_seconds_left,
                error=told.lease_error,
            )
    return None


def _notes(heard: Sequence[Asked], leader: Asked | None) -> Iterator[str]:
    """Yield what there is to do or to know about the group as a whole."""
    told = [each.told for each in heard if each.told is not None and each.told.enabled]
    if leader is None:
        if any(each.lease for each in told):
            yield "nobody leads: a standby takes over once the lease is free and it hears enough"
        elif any(each.opens for each in heard):
            yield "nobody leads yet: ask again once those that are here have opened their doors"
        else:
            # Where another one has more, that one refuses and names it.
            best = max(told, key=lambda each: (each.epoch, each.last), default=None)
            url = "URL" if best is None or best.url is None else best.url
            why = "nobody leads: start what is away, or"
            leading = [each.epoch for each in told if each.leader == each.node_id]
            if len(leading) > len(set(leading)):
                why = (
                    "nobody leads, since two began to at the same time: give --role leader to one "
                    "alone, and"
                )
            yield f"{why} have one lead: clew promote --server {url}"
    acks = {each.required_acks for each in told}
    if len(acks) > 1:
        listed = ", ".join(f"{each.required_acks} at {each.url}" for each in told)
        yield f"--required-acks differ: {listed}; give all servers the same"


def _describe_shard(shard: ShardStatus) -> ServerState:
    if shard.error is None:
        state = "answers"
    elif shard.refuses:
        state = REFUSES
    elif not shard.reachable:
        state = "away"
    else:
        state = APART if shard.newest_frame is None else TWICE
    return ServerState(
        name=shard.name,
        url=shard.url,
        role="shard",
        ok=shard.error is None,
        state=state,
        has=shard.newest_frame,
        answered_ms=shard.latency_ms,
        detail=shard.error or shard.warning,
        members=[_describe_member(member, shard) for member in shard.members],
    )


def _describe_member(member: ShardMember, shard: ShardStatus) -> ServerState:
    if not member.reachable:
        state = "away"
    elif member.leads:
        state = LEADS
    elif member.role == "standby":
        state = FOLLOWS if shard.leader is not None else "waits"
    else:
        # One that was deposed and has not heard so says that it leads.
        state = "led" if member.role in LEADING else member.role or "not known"
    return ServerState(
        name=shard.name,
        url=member.url,
        ok=state in WELL and member.role != "alone",
        state=state,
        role=member.role,
        epoch=member.epoch,
        has=member.newest_frame,
        answered_ms=member.latency_ms,
        detail=member.error,
    )
