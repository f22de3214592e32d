"""What `clew servers` makes of what the servers of a group say, one by one and of one another."""

from __future__ import annotations

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.choice import tell_promotion
from clew.surfaces.cli.grid import render
from clew.surfaces.cli.servers import Asked, report_group, report_shards
from clew.surfaces.cli.views.servers import server_lines
from clew.surfaces.group import refuse_write
from clew.telemetry.group import GroupStatus, PeerStatus, ShardList, ShardMember, ShardStatus

A, B, C = (f"http://10.0.0.{number}:7701" for number in (1, 2, 3))
GONE = "no clew server answers at {} (connection refused)"

LEADER = GroupStatus(
    enabled=True,
    role="leader",
    is_leader=True,
    node_id="a",
    url=A,
    epoch=3,
    leader="a",
    leader_url=A,
    acked=1234,
    last=1234,
    behind=0,
    required_acks=1,
    others=[B, C],
    peers=[
        PeerStatus(url=B, ok=True, acked=1234, behind=0, detail="following"),
        PeerStatus(url=C, ok=False, acked=1000, behind=234, detail=GONE.format(C)),
    ],
)
STANDBY = GroupStatus(
    enabled=True,
    role="standby",
    is_leader=False,
    node_id="b",
    url=B,
    epoch=3,
    leader="a",
    leader_url=A,
    acked=1233,
    last=1233,
    behind=0,
    required_acks=1,
    others=[A, C],
    heard_seconds=0.2,
)


def away(url: str) -> Asked:
    return Asked(url, None, error=ClewError(ErrorCode.UNAVAILABLE, GONE.format(url)))


def shown(asked: list[Asked], width: int = 80) -> list[str]:
    lines = server_lines(report_group(asked, A), width)
    return [render(line, colour=False) for line in lines]


def test_who_leads_is_told_and_how_far_the_others_are_by_what_their_leader_heard() -> None:
    found = report_group([Asked(A, LEADER, 1.2), Asked(B, STANDBY, 2.2), away(C)], A)
    assert (found.leader, found.epoch, found.have_all, found.ok) == (A, 3, 2, False)
    states = [(each.url, each.state, each.has, each.behind) for each in found.servers]
    assert states == [(A, "leads", 1234, 0), (B, "follows", 1234, 0), (C, "away", 1000, 234)]


def test_a_standby_that_only_its_leader_reaches_counts_by_its_leaders_word() -> None:
    leader = msgspec.structs.replace(LEADER, others=[B], peers=LEADER.peers[:1])
    found = report_group([Asked(A, leader, 1.2), away(B)], A)
    assert found.ok
    assert found.servers[1].state == "follows"
    assert "not reached from here" in (found.servers[1].detail or "")


def test_nobody_is_to_be_promoted_while_a_server_starts() -> None:
    begins = msgspec.structs.replace(STANDBY, epoch=1, leader="b", leader_url=B, heard_seconds=None)
    found = report_group([Asked(B, begins, 1.0, opens=True), away(A)], B)
    assert "about to open" in str([each.detail for each in found.servers if each.url == B])
    (note,) = found.notes
    assert "promote" not in note


def test_where_nobody_leads_it_is_said_whom_to_promote() -> None:
    former = msgspec.structs.replace(STANDBY, node_id="c", url=C, epoch=2, last=4000)
    found = report_group([Asked(C, former, 1.0), away(A), Asked(B, STANDBY, 1.0)], C)
    assert not found.ok
    assert found.leader is None
    (note,) = found.notes
    assert note.endswith(f"clew promote --server {B}")
    assert "heard http://10.0.0.1:7701 200 ms ago" in (found.servers[1].detail or "")


def test_two_that_began_at_once_are_told_to_begin_one_by_one() -> None:
    lost = msgspec.structs.replace(LEADER, role="standby", is_leader=False, epoch=1, peers=[])
    other = msgspec.structs.replace(lost, node_id="b", leader="b", url=B, leader_url=B)
    found = report_group([Asked(A, lost, 1.0), Asked(B, other, 1.0)], A)
    (note,) = found.notes
    assert "--role leader to one alone" in note


def test_one_that_led_before_and_has_not_heard_so_is_not_the_leader() -> None:
    later = msgspec.structs.replace(
        LEADER, node_id="b", url=B, epoch=4, leader="b", leader_url=B, required_acks=0, peers=[]
    )
    found = report_group([Asked(A, LEADER, 1.0), Asked(B, later, 1.0)], A)
    assert (found.leader, found.ok) == (B, False)
    assert "epoch 4 began elsewhere" in (found.servers[0].detail or "")


def test_a_leader_that_takes_nothing_and_settings_that_differ_are_told() -> None:
    strict = msgspec.structs.replace(LEADER, required_acks=2)
    found = report_group([Asked(A, strict, 1.0), Asked(B, STANDBY, 1.0), away(C)], A)
    assert found.servers[0].state == "leads"
    assert "until it has 1 more standby" in (found.servers[0].detail or "")
    (note,) = found.notes
    assert f"2 at {A}, 1 at {B}" in note


def test_a_leader_whose_lease_has_ended_is_not_well() -> None:
    gone = "etcd://10.0.0.7 cannot be asked"
    leader = msgspec.structs.replace(
        LEADER,
        peers=LEADER.peers[:1],
        lease="etcd://10.0.0.7",
        lease_holder=A,
        lease_seconds_left=0.0,
        lease_error=gone,
    )
    asked = [Asked(A, leader, 1.0), Asked(B, STANDBY, 1.0)]
    found = report_group(asked, A)
    assert not found.ok
    assert "its lease has ended" in (found.servers[0].detail or "")
    assert f"the lease: {gone}" in shown(asked)


def test_two_addresses_of_one_server_are_one_server() -> None:
    leader = msgspec.structs.replace(LEADER, peers=LEADER.peers[:1])
    found = report_group(
        [Asked(A, leader, 1.0), Asked(B, STANDBY, 1.0), Asked("http://b:7701", STANDBY, 1.0)], A
    )
    assert [each.url for each in found.servers] == [A, B]


def test_the_table_keeps_addresses_whole_and_says_each_trouble_once() -> None:
    leased = msgspec.structs.replace(
        LEADER, lease="etcd://10.0.0.7", lease_holder=A, lease_seconds_left=7.4
    )
    for width in (60, 80, 120):
        lines = shown([Asked(A, leased, 1.2), Asked(B, STANDBY, 2.2), away(C)], width)
        assert all(len(line) <= width for line in lines)
        text = " ".join(line.strip() for line in lines)
        assert text.count(C) == 2
        assert "2 of 3 servers have all that is acknowledged" in text
        assert f"is held by {A} for 7.40 s more" in text


def test_shards_that_do_not_answer_are_named() -> None:
    there = ShardStatus(name="a", url=A, reachable=True, latency_ms=1.0, newest_frame=7, error=None)
    gone = msgspec.structs.replace(
        there, name="b", url=B, reachable=False, newest_frame=None, error="it is gone"
    )
    found = report_shards(ShardList(shards=[there, gone], count=2, total=2, truncated=False), C)
    assert (found.ok, found.notes) == (False, ["answers lack what is at b, and say so"])
    assert [each.state for each in found.servers] == ["answers", "away"]


def test_a_shard_that_lets_nobody_in_is_told_with_what_to_do() -> None:
    there = ShardStatus(name="a", url=A, reachable=True, latency_ms=1.0, newest_frame=7, error=None)
    shut = msgspec.structs.replace(
        there, name="b", reachable=False, error="it asks", refuses=True, advice="show it a key"
    )
    found = report_shards(ShardList(shards=[there, shut], count=2, total=2, truncated=False), C)
    assert [each.state for each in found.servers] == ["answers", "refuses"]
    assert found.notes == ["b refuses the tier, so nothing is answered", "show it a key"]
    assert not found.ok


def test_whoever_writes_to_a_standby_is_told_where_to_and_whether_that_was_heard() -> None:
    told = msgspec.structs.replace(STANDBY, url=B, leader_url=A, heard_seconds=0.4, lease=None)
    assert refuse_write(told).message == (
        f"this server is a standby: {A} leads and takes what is written"
    )
    silent = refuse_write(msgspec.structs.replace(told, heard_seconds=240.2))
    assert silent.message.endswith(f"{A}, which led last, was last heard 240 s ago")
    assert (
        silent.hint == f"send it to {A}; if that is gone, clew servers --server {B} says what to do"
    )
    leased = refuse_write(msgspec.structs.replace(told, heard_seconds=None, lease="postgresql://x"))
    assert leased.message.endswith("has not been heard yet")
    assert "takes over" in str(leased.hint)
    nobody = refuse_write(msgspec.structs.replace(told, leader_url=None))
    assert "nobody leads" in nobody.message
    assert f"clew servers --server {B}" in str(nobody.hint)


def test_a_shard_that_is_a_group_shows_its_servers_and_whom_to_promote_where_none_leads() -> None:
    leads = ShardMember(url=A, reachable=True, role="leader", leads=True, epoch=3, newest_frame=7)
    follows = ShardMember(url=B, reachable=True, role="standby", epoch=3, newest_frame=7)
    led = ShardStatus(
        name="a",
        url=A,
        reachable=True,
        latency_ms=1.0,
        newest_frame=7,
        error=None,
        leader=A,
        members=[leads, follows],
    )
    gone = ShardMember(url=A, reachable=False, error=GONE.format(A))
    unled = msgspec.structs.replace(
        led, name="b", url=B, leader=None, warning="a standby does", members=[gone, follows]
    )
    unled = msgspec.structs.replace(unled, advice=tell_promotion("b", B, [A]))
    found = report_shards(ShardList(shards=[led, unled], count=2, total=2, truncated=False), C)
    # It answers, so all is well enough for the exit code.
    assert (found.ok, found.notes) == (
        True,
        [f"if {A} is gone, have one lead b: clew promote --server {B}"],
    )
    states = [[member.state for member in each.members] for each in found.servers]
    assert states == [["leads", "follows"], ["away", "waits"]]
    text = "\n".join(render(line, colour=False) for line in server_lines(found, 100))
    assert "2 of 2 shards answer" in text
    assert "b: a standby does" in text
    assert text.count(GONE.format(A)) == 1


def test_servers_of_one_shard_that_do_not_have_the_same_are_told_as_that() -> None:
    apart = ShardStatus(
        name="a",
        url=A,
        reachable=True,
        latency_ms=None,
        newest_frame=None,
        error="its servers do not keep the same records",
        members=[ShardMember(url=url, reachable=True, role="alone") for url in (A, B)],
    )
    found = report_shards(ShardList(shards=[apart], count=1, total=1, truncated=False), C)
    assert (found.ok, found.servers[0].state) == (False, "apart")
    assert "keep different records" in found.notes[0]
