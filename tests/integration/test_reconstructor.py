"""`Reconstructor` against a server: what was sent comes back as objects of the program."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time
from clew.remote.http import Server
from clew.testing.server import ServerProcess
from clew.twin import (
    Boolean,
    Float,
    Integer,
    List,
    Object,
    Process,
    Reference,
    Registry,
    String,
    invariant,
)
from clew.twin.engine import AsyncReconstructor, ReconstructionStrategy, Reconstructor
from clew.twin.remote import TwinClient
from tests.integration.fingerprints import MORNING, fingerprint, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SPAN = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}


class Trolley(Object):
    count = Integer(default=0)
    total = Float(default=0.0)
    skus = List(String())
    state = String(default="open")


class Membership(Object):
    buyer = String(renamed_from="customer")
    points = Integer(default=0)


class Storehouse(Object):
    town = String()


class Pallet(Object):
    home = Reference(Storehouse)
    goods = List(Reference("Trolley"))


class Haulage(Process):
    phases = ("packed", "sent")
    parcels = Integer(default=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("twin") / "data") as process:
        yield process


@pytest.fixture
def reconstructor(server: ServerProcess) -> Iterator[Reconstructor]:
    with Reconstructor(server.url) as made:
        yield made


def send(server: ServerProcess, *records: dict[str, Any]) -> None:
    with Server(server.otlp_url) as client:
        answer = client.post("/v1/logs", request_of(records), "application/x-protobuf")
    assert answer.body == b""


def trolley(obj_id: str, seq: int, type_: str = "state_change", **fields: Any) -> dict[str, Any]:
    at = MORNING + seq * NS_PER_S
    return fingerprint(type_, obj_id, at, seq, fields, obj_type="Trolley", prefix="trolley")


def other(
    kind: str, obj_id: str, fields: dict[str, Any], seq: int = 0, **others: Any
) -> dict[str, Any]:
    """Return a change of an object of another type, a second after `MORNING` for each `seq`."""
    at = MORNING + seq * NS_PER_S
    prefix = kind.lower()
    return fingerprint(
        "state_change", obj_id, at, seq, fields, obj_type=kind, prefix=prefix, **others
    )


def give_registry(server: ServerProcess, registry: Registry) -> None:
    with Server(server.url) as client:
        TwinClient(client).put_registry(registry.encode())


def old_tills() -> Registry:
    registry = Registry("shop", "1")

    @registry.register
    class Till(Object):
        cents = Integer()

    return registry


def new_tills() -> Registry:
    registry = Registry("shop", "2")

    @registry.register
    class Till(Object):
        euros = Float()

    return registry


def moment(seq: float) -> datetime:
    return datetime.fromtimestamp(MORNING // NS_PER_S, UTC) + timedelta(seconds=seq)


def test_a_twin_is_of_the_programs_class_and_has_its_defaults(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("b1", 1, count=2, skus=["a"]), trolley("b1", 2, count=3, total=9))
    then = reconstructor.reconstruct("b1", moment(1))
    assert isinstance(then.twin, Trolley)
    assert (then.count, then.total, then.skus, then.exists) == (2, 0.0, ["a"], True)
    assert (then.twin.state, then["state"]) == ("open", "open")
    assert then.state == {"count": 2, "skus": ["a"]}
    assert (then.version, then.twin.version, then.twin.id) == (1, 1, "b1")
    now = reconstructor.reconstruct("b1")
    assert now.state == {"count": 3, "skus": ["a"], "total": 9.0}
    assert (now.metadata.obj_type, now.metadata.events_replayed) == ("Trolley", 0)
    assert now.last_event is not None
    assert now.last_event.event_id == f"b1-{MORNING + 2 * NS_PER_S}-2"


@pytest.mark.parametrize(
    "when",
    [
        moment(1.5),
        moment(1.5).replace(tzinfo=None),
        moment(1.5).isoformat(),
        moment(1.5).timestamp(),
        MORNING // 1_000_000 + 1500,
        "event:b2-{}-1",
        "span:b7ad6b7169203331",
        "b2-{}-1",
        "b7ad6b7169203331",
    ],
    # Each process that shares the tests must give them the same names.
    ids=["time", "naive", "text", "seconds", "ms", "event", "span", "event id", "span id"],
)
def test_a_moment_is_whatever_a_program_has_at_hand(
    server: ServerProcess, reconstructor: Reconstructor, when: Any
) -> None:
    send(server, trolley("b2", 1, count=1) | SPAN, trolley("b2", 2, count=2))
    asked = when.format(MORNING + NS_PER_S) if isinstance(when, str) else when
    for strategy in ReconstructionStrategy:
        found = reconstructor.reconstruct("b2", asked, strategy=strategy)
        assert (found.count, found.exists) == (1, True)


def test_a_date_is_its_first_moment_and_what_is_no_time_is_refused(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("b3", 1, count=1))
    tomorrow = date.today() + timedelta(days=2)  # noqa: DTZ011 - two days are enough anywhere
    assert reconstructor.reconstruct("b3", tomorrow).count == 1
    for wrong in ("yesterday", True, -1, "2024-13-01", 2**70, "", "a\0b"):
        for strategy in ("snapshot_delta", "full_replay"):
            with pytest.raises(ClewError, match="not a time") as refused:
                reconstructor.reconstruct("b3", wrong, strategy=strategy)
            assert refused.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize("strategy", ["snapshot_delta", "full_replay"])
def test_before_the_first_event_there_was_nothing_and_a_warning_says_so(
    server: ServerProcess, reconstructor: Reconstructor, strategy: str
) -> None:
    send(server, trolley("b4", 5, count=1))
    found = reconstructor.reconstruct("b4", moment(4), strategy=strategy)
    assert (found.exists, found.twin, found.count, found.skus) == (False, None, None, None)
    assert (found.state, found.version) == ({}, 0)
    (warning,) = found.warnings
    assert (warning.code, warning.at) == (
        "before_first_event",
        format_time(MORNING + 5 * NS_PER_S),
    )
    with pytest.raises(AttributeError, match="no field 'cuont'; it has count"):
        _ = found.cuont


def test_an_object_that_nobody_spoke_of_is_not_found(reconstructor: Reconstructor) -> None:
    for kind in (None, Trolley, "Trolley"):
        with pytest.raises(ClewError, match="nothing is known of an object 'nobody'") as refused:
            reconstructor.reconstruct("nobody", obj_type=kind)
        assert refused.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("strategy", ["snapshot_delta", "full_replay"])
def test_after_a_deletion_the_last_state_is_there_and_the_object_is_not(
    server: ServerProcess, reconstructor: Reconstructor, strategy: str
) -> None:
    send(server, trolley("b5", 1, count=1), trolley("b5", 2, "deleted"), trolley("b5", 3, count=2))
    found = reconstructor.reconstruct("b5", strategy=strategy)
    assert (found.exists, found.count, found.twin.count) == (False, 1, 1)
    assert [each.code for each in found.warnings] == ["change_after_delete"]


def test_an_id_of_two_types_asks_which_is_meant(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("b6", 1, count=1), other("Box", "b6", {"a": 1}))
    with pytest.raises(ClewError, match="several types have the id 'b6': Box, Trolley") as refused:
        reconstructor.reconstruct("b6")
    assert refused.value.code is ErrorCode.CONFLICT
    assert reconstructor.reconstruct("b6", obj_type=Trolley).count == 1
    assert reconstructor.reconstruct("b6", obj_type="Box").a == 1
    assert reconstructor.reconstruct(Trolley("b6")).count == 1


def test_what_nobody_described_is_shown_as_it_was_sent(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    wild = {"a": 1, "b": [1, 2], "c": None, "type": "x"}
    send(server, other("Wild", "w1", wild))
    found = reconstructor.reconstruct("w1")
    assert (found.a, found.b, found.c, found["type"], found.twin.type) == (
        *(1, [1, 2], None, "x"),
        "Wild",
    )
    with pytest.raises(AttributeError, match="Wild has no field 'd'; it has a, b, c, type"):
        _ = found.d
    assert found.twin.to_dict() == wild


def test_a_server_that_has_the_registry_lends_its_classes(server: ServerProcess) -> None:
    registry = Registry("lent")

    @registry.register
    class Lent(Object):
        n = Integer(default=7)
        on = Boolean()

    give_registry(server, registry)
    send(server, other("Lent", "l1", {"on": "yes", "gone": 1}))
    with Reconstructor(server.url, Registry("empty")) as made:
        found = made.reconstruct("l1")
        assert (found.n, found.on, found.gone) == (7, True, 1)
        assert type(found.twin) is not Lent
        assert type(found.twin).get_type_name() == "Lent"


def test_values_that_do_not_fit_are_shown_and_told(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("b7", 1, count="many", total=1))
    for strategy in ("snapshot_delta", "full_replay"):
        found = reconstructor.reconstruct("b7", strategy=strategy)
        assert (found.count, found.total) == ("many", 1.0)
        assert [(each.code, each.field) for each in found.warnings] == [("bad_value", "count")]


def test_invariants_are_checked_on_replay_by_whoever_has_the_class(server: ServerProcess) -> None:
    registry = Registry("invoices")

    @registry.register
    class Invoice(Object):
        total = Float(default=0.0)
        lines = List(Float())
        note = String()

        positive = invariant("total >= 0")

        @invariant
        def is_the_sum(self) -> bool:
            """The total is the sum of the lines."""
            return bool(self.total == sum(self.lines))

        @invariant
        def fails_for_want_of_a_note(self) -> bool:
            return len(self.note) > 1

    send(
        server,
        other("Invoice", "inv1", {"total": 3.0, "lines": [1, 2]}, 1),
        other("Invoice", "inv1", {"total": -3.0}, 2),
    )
    with Reconstructor(server.url, registry) as made:

        def ask(seq: int, strategy: str) -> list[tuple[str, str]]:
            found = made.reconstruct("inv1", moment(seq), strategy=strategy)
            return [(each.code, each.message) for each in found.warnings]

        for is_given in (False, True):
            if is_given:
                # The server tells of the expression now, and it is told once all the same.
                give_registry(server, registry)
            for strategy in ("snapshot_delta", "full_replay"):
                assert ask(1, strategy) == []
                assert ask(2, strategy) == [
                    ("invariant", "positive does not hold: total >= 0"),
                    ("invariant", "is_the_sum does not hold: The total is the sum of the lines."),
                ]


def test_fields_that_the_program_renamed_are_found_under_their_new_names(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(
        server,
        other("Membership", "b8", {"customer": "ann"}, 1),
        other("Membership", "b8", {"buyer": "bob"}, 2),
        other("Membership", "b8", {"customer": "cat", "points": 5}, 3),
    )
    found = [reconstructor.reconstruct("b8", moment(n)) for n in (1, 2, 3)]
    assert [each.buyer for each in found] == ["ann", "bob", "cat"]
    assert [each.metadata.events_replayed for each in found] == [1, 2, 3]
    changes = reconstructor.find_field_changes("b8", "buyer")
    assert [(each.old, each.new) for each in changes] == [
        (None, "ann"),
        ("ann", "bob"),
        ("bob", "cat"),
    ]


def test_upcasters_turn_what_an_old_version_wrote_into_todays(server: ServerProcess) -> None:
    old, new = old_tills(), new_tills()

    @new.upcaster(old, "Till")
    def to_euros(patch: dict[str, Any]) -> dict[str, Any]:
        return {"euros": patch.pop("cents") / 100, **patch}

    def till(seq: int, written_by: Registry, **fields: Any) -> dict[str, Any]:
        checksum = written_by.compute_checksum()
        return other("Till", "t1", fields, seq, trilog__registry__checksum=checksum)

    send(server, till(1, old, cents=250), till(2, old, cents="broken"), till(3, new, euros=4))
    with Reconstructor(server.url, new) as made:
        events = [f"event:t1-{MORNING + n * NS_PER_S}-{n}" for n in (1, 2, 3)]
        found = [made.reconstruct("t1", each, "Till") for each in events]
    assert [each.euros for each in found] == [2.5, 2.5, 4.0]
    assert [[w.code for w in each.warnings] for each in found] == [[], ["bad_value"], ["bad_value"]]
    assert "TypeError" in found[1].warnings[0].message


def test_events_come_along_where_they_are_asked_for(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(
        server,
        trolley("b9", 1, count=1),
        trolley("b9", 2, "event", note=1),
        trolley("b9", 3, count=3),
    )
    found = reconstructor.reconstruct("b9", include_events=True)
    assert [each.type for each in found.events] == ["state_change", "event", "state_change"]
    assert [found.state_at_event(n) for n in range(-1, 2)] == [{"count": n} for n in (3, 1, 1)]
    assert (found.metadata.events_replayed, found.metadata.snapshot_used) == (3, False)
    with pytest.raises(ClewError, match="no events"):
        reconstructor.reconstruct("b9").state_at_event(0)


def test_both_ways_to_fold_give_one_state(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    sent = [
        trolley("b10", n, count=n, **{"state": None} if n % 3 else {"total": n}) for n in range(9)
    ]
    send(server, *reversed(sent), *sent)
    for n in range(9):
        by_server = reconstructor.reconstruct("b10", moment(n))
        here = reconstructor.reconstruct("b10", moment(n), strategy="full_replay")
        assert by_server.metadata.state_hash == here.metadata.state_hash
        assert by_server.to_dict() == here.to_dict()


def test_a_batch_answers_each_and_none_for_those_that_nobody_knows(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    wild = other("Wild", "c2", {"a": 1})
    send(server, trolley("c1", 1, count=1), trolley("c3", 9, count=1), wild)
    found = reconstructor.reconstruct_batch(["c1", ("Wild", "c2"), "c3", "c4"], moment(5))
    first, second, third, fourth = found.values()
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.count, second.a, third.exists, fourth) == (1, 1, False, None)
    assert third.warnings[0].code == "before_first_event"


def test_states_are_compared_and_fields_asked_for_alone(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("d1", 1, count=1, total=5), trolley("d1", 2, "snapshot", count=2, skus=[]))
    compared = reconstructor.compare_states("d1", moment(1), moment(2))
    assert compared["changed"] == {"count": {"from": 1, "to": 2}}
    assert (compared["added"], compared["removed"]) == ({"skus": []}, {"total": 5.0})
    assert compared["unchanged_count"] == 0
    assert reconstructor.compare_states("d1", moment(0), moment(1))["added"] == {
        "count": 1,
        "total": 5.0,
    }
    assert reconstructor.get_state_at("d1", moment(1), "count") == 1
    assert reconstructor.get_state_at("d1", moment(1), "skus") == []
    assert reconstructor.get_state_at("d1", moment(1)) == {"count": 1, "total": 5.0}


def test_a_process_is_an_instance_of_its_class(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    words: dict[str, Any] = {
        "trilog__event__type": "phase_change",
        "trilog__process__type": "Haulage",
        "trilog__process__current_phase": "packed",
        "trilog__process__status": "started",
    }
    send(server, other("Haulage", "p1", {"parcels": 2}, **words))
    for strategy in ("snapshot_delta", "full_replay"):
        found = reconstructor.reconstruct("p1", strategy=strategy)
        assert isinstance(found.twin, Haulage)
        assert (found.phase, found.status, found.parcels) == ("packed", "started", 2)
    (process,) = reconstructor.processes_in_trace("p1").processes
    assert (process.id, process.phase, process.status) == ("p1", "packed", "started")
    assert [each.name for each in process.phases] == ["packed"]
    with pytest.raises(ClewError, match="no process of the trace had begun"):
        reconstructor.processes_in_trace("p1", moment(-1))


def test_what_was_found_before_is_given_again_where_that_is_asked_for(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, trolley("e1", 2, count=1))
    first = reconstructor.reconstruct("e1", moment(3), strategy="cached")
    send(server, trolley("e1", 3, count=2))
    assert reconstructor.reconstruct("e1", moment(3), strategy="cached") is first
    assert reconstructor.reconstruct("e1", moment(3)).count == 2
    reconstructor.clear_cache()
    assert reconstructor.reconstruct("e1", moment(3), strategy="cached").count == 2


def test_the_objects_that_a_trace_touched_are_shown_at_any_of_its_steps(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    trace = {"trace_id": "1af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203332"}
    send(server, trolley("f1", 1, count=1) | trace, trolley("f2", 2, count=2) | trace)
    first = reconstructor.objects_in_trace(trace["trace_id"], 1)
    assert [(each.twin.id, each.twin.exists) for each in first.objects] == [
        ("f1", True),
        ("f2", False),
    ]
    last = reconstructor.objects_in_trace(trace["trace_id"])
    assert (last.step, last.steps) == (2, 2)
    assert [each.twin.state for each in last.objects] == [{"count": 1}, {"count": 2}]


def test_a_graph_shows_all_that_one_refers_to_at_one_instant(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    registry = Registry("store")
    registry.register_all([Storehouse, Pallet, Trolley])
    give_registry(server, registry)
    send(
        server,
        other("Storehouse", "f3", {"town": "Ulm"}, 1),
        other("Storehouse", "f3", {"town": "Bonn"}, 5),
        trolley("f4", 4, count=1),
        other("Pallet", "f5", {"home": "f3", "goods": ["f4", "f6"]}, 2),
    )
    then = reconstructor.get_graph("f5", moment(3))
    assert [(each.id, each.state.get("town")) for each in then.objects] == [
        ("f5", None),
        ("f3", "Ulm"),
    ]
    assert [(each.to[1], each.is_dangling) for each in then.references] == [
        ("f3", False),
        ("f4", True),
        ("f6", True),
    ]
    now = reconstructor.get_graph(Pallet("f5"))
    assert [each.id for each in now.objects] == ["f5", "f3", "f4"]
    assert now.objects[1].state == {"town": "Bonn"}
    assert reconstructor.get_graph("f5", depth=0).truncated


def test_a_timeline_is_read_from_the_server(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(server, *[trolley("g1", n, count=n) for n in range(1, 6)])
    timeline = reconstructor.timeline("g1", start=moment(2), end=moment(4))
    assert [each.patch for each in timeline] == [{"count": n} for n in (2, 3, 4)]
    assert [each.from_state for each in timeline.transitions] == [{"count": n} for n in (1, 2, 3)]
    assert [each.count for each in timeline.segment_by("2s")] in ([1, 2], [2, 1])


def test_the_states_of_a_timeline_are_those_of_a_reconstruction(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    send(
        server,
        trolley("g2", 1, "created", count="1", total=5),
        trolley("g2", 2, "event", count=9),
        trolley("g2", 3, count=2, state=None),
        trolley("g2", 4, "deleted"),
        trolley("g2", 5, "created", skus=["a"]),
    )
    timeline = reconstructor.timeline(Trolley("g2"))
    for n in range(6):
        assert timeline.state_at(moment(n)) == reconstructor.reconstruct("g2", moment(n)).state
    assert [each.transition_type for each in timeline.transitions] == [
        "created",
        "updated",
        "deleted",
        "created",
    ]


def test_it_is_known_which_span_changed_a_field(
    server: ServerProcess, reconstructor: Reconstructor
) -> None:
    other_span = SPAN | {"span_id": "b7ad6b7169203339"}
    send(
        server,
        trolley("g3", 1, count=1) | SPAN,
        trolley("g3", 2, count=1, total=2) | other_span,
        trolley("g3", 3, count=2) | other_span,
        trolley("g3", 4, total=3) | SPAN,
    )
    changes = reconstructor.find_field_changes("g3", "count")
    assert [(each.old, each.new, each.event.span_id) for each in changes] == [
        (None, 1, SPAN["span_id"]),
        (1, 2, other_span["span_id"]),
    ]
    assert changes[-1].event.trace_id == SPAN["trace_id"]
    late = reconstructor.find_field_changes("g3", "count", start=moment(2))
    assert [(each.old, each.new) for each in late] == [(1, 2)]
    assert reconstructor.find_field_changes("g3", "state") == []


def test_asyncio_waits_for_many_at_once(server: ServerProcess) -> None:
    send(server, *[trolley(f"h{n}", 1, count=n) for n in range(8)])

    async def ask() -> list[Any]:
        async with AsyncReconstructor(server.url) as made:
            asked = [made.reconstruct(f"h{n}") for n in range(8)]
            found = await asyncio.gather(*asked)
            assert (await made.get_state_at("h3", field="count")) == 3
            assert len(await made.timeline("h3")) == 1
            return [each.count for each in found]

    assert asyncio.run(ask()) == list(range(8))


def test_a_client_of_ours_does_as_well_as_an_address(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(server, trolley("i1", 1, count=1))
    monkeypatch.setenv("CLEW_SERVER", server.url)
    with Server(server.url) as given:
        for client in (given, TwinClient(given), server, None):
            with Reconstructor(client) as made:
                assert made.reconstruct("i1").count == 1
    with pytest.raises(ClewError, match="not a client: int"):
        Reconstructor(5)
    with pytest.raises(ClewError, match="not a server's address"):
        Reconstructor("ftp://x")
    with (
        pytest.raises(ClewError, match="no clew server answers"),
        Reconstructor("127.0.0.1:9") as it,
    ):
        it.reconstruct("i1")
