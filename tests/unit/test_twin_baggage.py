"""Anchors in headers: what goes out, what comes in, and whose word is taken."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import unquote

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import TracerProvider

from clew.twin.anchoring.baggage import ENTRY_BYTES_MAX, HEADER_BYTES_MAX, ID_CHARS_MAX
from clew.twin.anchoring.clients import is_among
from clew.twin.anchoring.trust import read_trust
from clew.twin.anchoring.wire import door, withdraw
from clew.twin.context import (
    anchor,
    anchor_from_baggage,
    anchor_from_headers,
    get_current_anchor,
    get_current_obj_id,
    inject,
)
from clew.twin.dsl import Integer, Object


class Hamper(Object):
    """What is carried."""

    count = Integer(default=0)


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def written() -> dict[str, str]:
    headers: dict[str, str] = {}
    inject(headers)
    return headers


def entries(header: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in header.split(","))
    return {unquote(name): unquote(value) for name, _, value in pairs}


def test_what_goes_out_is_who_it_is_and_nothing_of_what_it_holds() -> None:
    hamper = Hamper("b 1/ä,;=%", count=5)
    with anchor(hamper, tenant="secret"):
        headers = written()
    assert headers.keys() == {"baggage"}
    said = entries(headers["baggage"])
    assert said.keys() == {"trilog.obj.id", "trilog.obj.type", "trilog.anchor.created_at"}
    assert (said["trilog.obj.id"], said["trilog.obj.type"]) == ("b 1/ä,;=%", "Hamper")
    # No sign that separates entries is left, no blank, and no plus that some read as one.
    assert not set(headers["baggage"]) & set(" ;+/ä")


def test_nothing_goes_out_where_nothing_is_open() -> None:
    assert written() == {}


def test_the_span_goes_along() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("call") as span, anchor("b1"):
        headers = written()
    trace_id = format(span.get_span_context().trace_id, "032x")
    assert headers["traceparent"].split("-")[1] == trace_id


def test_opentelemetrys_own_propagators_carry_an_anchor_both_ways() -> None:
    with anchor("b 1+ä", Hamper):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
    with anchor_from_headers(carrier) as found:
        assert found is not None
        assert (found.obj_id, found.type_name, found.is_remote) == ("b 1+ä", "Hamper", True)
    with anchor("b 2+ä", Hamper):
        read = propagate.extract(written())
    assert baggage.get_baggage("trilog.obj.id", read) == "b 2+ä"
    with anchor_from_baggage(read) as found:
        assert found is not None
        assert (found.obj_id, found.kind.entity) == ("b 2+ä", Hamper)
        assert get_current_obj_id() == "b 2+ä"
    assert get_current_anchor() is None


def test_baggage_that_somebody_attached_counts_only_when_it_is_asked_for() -> None:
    token = context.attach(baggage.set_baggage("trilog.obj.id", "b1"))
    try:
        assert get_current_obj_id() is None
        with anchor_from_baggage() as found:
            assert found is not None
            assert get_current_obj_id() == "b1"
        assert get_current_obj_id() is None
    finally:
        context.detach(token)


def test_an_id_that_no_encoding_can_write_breaks_no_propagator() -> None:
    with anchor("x\ud800y"):
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        assert unquote(entries(carrier["baggage"])["trilog.obj.id"]) == "x\\ud800y"
        assert entries(written()["baggage"])["trilog.obj.id"] == "x\\ud800y"


def test_other_baggage_goes_along_behind_ours_while_there_is_room() -> None:
    crowd = context.get_current()
    for i in range(200):
        crowd = baggage.set_baggage(f"other{i}", "x" * 60, crowd)
    token = context.attach(crowd)
    try:
        with anchor("b1", Hamper):
            header = written()["baggage"]
    finally:
        context.detach(token)
    assert len(header) <= HEADER_BYTES_MAX
    assert [unquote(each.partition("=")[0]) for each in header.split(",")][:2] == [
        "trilog.obj.id",
        "trilog.obj.type",
    ]
    assert header.count("other") > 90
    with anchor_from_headers({"Baggage": header}) as found:
        assert found is not None
        assert found.obj_id == "b1"


def test_baggage_that_cannot_be_written_fails_no_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = context.attach(baggage.set_baggage("\ud800", "x"))
    try:
        with caplog.at_level(logging.WARNING), anchor("b1"):
            assert written() == {}
    finally:
        context.detach(token)
    assert "goes without its anchor" in caplog.text


def test_one_entry_of_others_that_is_too_long_leaves_room_for_the_rest() -> None:
    crowd = baggage.set_baggage("large", "x" * HEADER_BYTES_MAX)
    token = context.attach(baggage.set_baggage("small", "y", crowd))
    try:
        with anchor("b1"):
            said = entries(written()["baggage"])
    finally:
        context.detach(token)
    assert (said["trilog.obj.id"], said["small"]) == ("b1", "y")
    assert "large" not in said


def test_an_id_that_fits_no_header_goes_unnamed_and_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), anchor("x" * ENTRY_BYTES_MAX):
        assert written() == {}
    assert "does not fit" in caplog.text
    assert "xxxx" not in caplog.text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "trilog.obj.id=",
        "trilog.obj.type=Hamper",
        f"trilog.obj.id={'x' * (ID_CHARS_MAX + 1)}",
        f"trilog.obj.id=b1,trilog.obj.type={'x' * (ID_CHARS_MAX + 1)}",
        f"trilog.obj.id={'x' * 5000}",
        "=;,%%%;=,\x00",
    ],
)
def test_headers_that_name_no_object_leave_the_anchor_that_is_open(value: str) -> None:
    with anchor("outer", Hamper):
        with anchor_from_headers({"baggage": value}) as found:
            assert found is None
            assert get_current_obj_id() == "outer"
            assert baggage.get_baggage("trilog.obj.id") == "outer"
        assert get_current_obj_id() == "outer"


@pytest.mark.parametrize(
    "headers",
    [
        {"BAGGAGE": "trilog.obj.id=b1", "TraceParent": PARENT},
        [("baggage", "a=b"), ("baggage", "trilog.obj.id=b1"), ("traceparent", PARENT)],
        [(b"baggage", b"trilog.obj.id=b1;meta=1"), (b"traceparent", PARENT.encode())],
    ],
)
def test_headers_come_in_every_shape(headers: Any) -> None:
    with anchor_from_headers(headers) as found:
        assert found is not None
        assert found.obj_id == "b1"
        span = trace.get_current_span().get_span_context()
        assert format(span.trace_id, "032x") == TRACE
    assert not trace.get_current_span().get_span_context().is_valid


def test_an_object_from_outside_has_nothing_of_the_anchor_around_it() -> None:
    with anchor("outer", Hamper), anchor_from_headers({"baggage": "trilog.obj.id=b1"}) as found:
        assert found is not None
        assert (found.obj_id, found.obj_type) == ("b1", None)
        assert baggage.get_baggage("trilog.obj.type") is None


def test_a_bad_moment_does_not_keep_an_anchor_from_coming_in() -> None:
    said = "trilog.obj.id=b1,trilog.anchor.created_at=yesterday"
    with anchor_from_headers({"baggage": said}) as found:
        assert found is not None
        assert found.created_at.tzinfo is not None


def test_a_span_that_is_open_already_stays() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with (
        tracer.start_as_current_span("ours") as span,
        anchor_from_headers({"traceparent": PARENT, "baggage": "trilog.obj.id=b1"}),
    ):
        assert trace.get_current_span() is span


def test_behind_a_door_an_untrusted_word_counts_for_nothing() -> None:
    # An instrumentation in front of the door has read the headers already.
    foreign = baggage.set_baggage("trilog.obj.id", "victim", baggage.set_baggage("colour", "red"))
    token = context.attach(foreign)
    try:
        with door({"baggage": "trilog.obj.id=victim"}, is_trusted=False) as found:
            assert found is None
            assert get_current_anchor() is None
            assert baggage.get_all() == {"colour": "red"}
            assert "victim" not in str(written())
            with anchor_from_baggage() as asked:
                assert asked is None
    finally:
        context.detach(token)


def test_a_door_begins_anew_whatever_was_open_before_it() -> None:
    with anchor("server"), door({}, is_trusted=True):
        assert get_current_anchor() is None
    with anchor("server"), door({"baggage": "trilog.obj.id=b1"}, is_trusted=True) as found:
        assert found is not None
        assert get_current_obj_id() == "b1"


@pytest.mark.parametrize(
    ("trust", "peer", "is_trusted"),
    [
        (False, "127.0.0.1", False),
        (True, "203.0.113.9", True),
        (["10.0.0.0/8", "::1"], "10.255.1.2", True),
        (["10.0.0.0/8", "::1"], "11.0.0.1", False),
        (["10.0.0.0/8", "::1"], "::1", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.70", False),
        (["0.0.0.0/0"], "", False),
        (["0.0.0.0/0"], "unix:/tmp/s", False),
        ([], "127.0.0.1", False),
        (lambda peer: peer.startswith("10."), "10.1.1.1", True),
        (lambda peer: peer.startswith("10."), "", False),
    ],
)
def test_who_is_trusted_is_what_the_policy_says(trust: Any, peer: str, is_trusted: bool) -> None:
    assert read_trust(trust)(peer) is is_trusted


def test_a_network_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="10\\.0\\.0"):
        read_trust(["10.0.0"])


def test_a_policy_that_fails_trusts_nobody_and_breaks_no_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(peer: str) -> bool:
        raise LookupError(peer)

    with caplog.at_level(logging.WARNING):
        assert read_trust(fails)("10.0.0.1") is False
    assert "LookupError" in caplog.text


@pytest.mark.parametrize(
    ("url", "is_in"),
    [
        ("http://orders.internal/x", True),
        ("http://ORDERS.internal:8080/x", True),
        ("http://user:pw@orders.internal/x", True),
        ("http://a.b.mesh/", True),
        ("http://mesh/", False),
        ("http://evilmesh/", False),
        ("http://orders.internal.evil.example/", False),
        ("http://evil.example/orders.internal", False),
        ("http://orders.internal@evil.example/", False),
    ],
)
def test_hosts_are_those_that_are_named_and_no_lookalikes(url: str, is_in: bool) -> None:
    assert is_among(url, ("orders.internal", ".mesh")) is is_in


def test_what_was_written_is_taken_back_and_what_others_wrote_stays() -> None:
    with anchor("b1", Hamper):
        copied = written()
        withdraw(copied)
        assert copied == {}
        mixed = {"baggage": "colour=red,trilog.obj.id=b1, trilog.obj.type=Hamper,a=b", "x": "1"}
        withdraw(mixed)
        assert mixed == {"baggage": "colour=red,a=b", "x": "1"}
        hidden = {"baggage": "trilog%2Eobj%2Eid=b1"}
        withdraw(hidden)
        assert hidden == {}
    untouched = {"baggage": "colour=red", "x": "1"}
    withdraw(untouched)
    assert untouched == {"baggage": "colour=red", "x": "1"}
