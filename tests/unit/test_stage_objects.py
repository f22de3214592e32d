"""What is said of an object inside a stage: it names the output that is being made there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from clew import lineage
from clew.sdk.records import RecordHandler
from clew.twin.context import TriLogLogger, anchor
from clew.twin.dsl import Integer, Object, String
from clew.twin.ingest.fingerprint import read_fingerprint
from clew.twin.ingest.record import LogRecord
from tests.emitted import Emitted

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_ID = 29


class StagedParcel(Object):
    """What is packed."""

    status = String()
    weight = Integer()


class Tracelink(Object):
    """An object whose fields have the names that lineage has."""

    seq = String()


@pytest.fixture
def tracing() -> Iterator[lineage.Tracing]:
    with lineage.enable_tracing(NODE_ID, to=lineage.LinkRing()) as made:
        yield made


def of_lineage(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name.startswith("tracelink.")}


def test_events_of_objects_name_the_output_that_is_made_there(tracing: lineage.Tracing) -> None:
    emitted = Emitted()
    twins = TriLogLogger("shop", provider=emitted.provider)
    with lineage.join(stage="pack", stream_id=7) as out, anchor("p1", StagedParcel):
        twins.state_change(status="open")
        assert of_lineage(emitted.one()) == {}, "further inputs may come while nobody has the id"
        item = {
            "tracelink.trace_id": str(out.trace_id),
            "tracelink.stream_id": "7",
            "tracelink.epoch": str(tracing.epoch),
            "tracelink.seq": "1",
        }
        twins.state_change(status="packed")
        twins.event("sealed")
        twins.info("of %s", "paper")
    assert [of_lineage(each) for each in emitted.attributes()] == [item] * 3
    with anchor("p1", StagedParcel):
        twins.state_change(status="sent")
    assert of_lineage(emitted.one()) == {}


def test_each_record_of_an_event_with_very_many_fields_names_it(tracing: lineage.Tracing) -> None:
    emitted = Emitted()
    twins = TriLogLogger("shop", provider=emitted.provider, validation="off")
    with lineage.join(stage="pack") as out, anchor("p1", StagedParcel):
        told = str(out.trace_id)
        twins.state_change({f"field_{number}": number for number in range(250)})
    found = emitted.attributes()
    assert [each["tracelink.trace_id"] for each in found] == [told] * 3
    assert sum(name.startswith("staged_parcel.field_") for each in found for name in each) == 250


def test_a_field_of_the_object_is_never_overwritten(tracing: lineage.Tracing) -> None:
    emitted = Emitted()
    twins = TriLogLogger("shop", provider=emitted.provider)
    with lineage.join(stage="pack") as out, anchor("t1", Tracelink):
        assert out.trace_id
        twins.state_change(seq="mine")
    assert of_lineage(emitted.one()) == {"tracelink.seq": "mine"}


def test_plain_logs_inside_an_anchor_name_both(tracing: lineage.Tracing) -> None:
    emitted = Emitted()
    logger = logging.getLogger("tests.stage_objects")
    handler = RecordHandler(emitted.provider)
    logger.addHandler(handler)
    try:
        with lineage.join(stage="pack") as out, anchor("p1", StagedParcel):
            assert out.trace_id
            logger.warning("heavy")
    finally:
        logger.removeHandler(handler)
    said = emitted.one()
    assert (said["tracelink.trace_id"], said["trilog.obj.id"]) == (str(out.trace_id), "p1")


@pytest.mark.parametrize("prefix", ["parcel", None])
def test_the_server_takes_the_name_of_an_output_for_no_field(prefix: str | None) -> None:
    field = "parcel.status" if prefix else "status"
    texts = {
        "trilog.obj.id": "p1",
        "trilog.obj.type": "StagedParcel",
        "tracelink.trace_id": "42",
        field: "packed",
    }
    record = LogRecord(
        at=1,
        observed=1,
        received=1,
        severity=9,
        body="",
        trace_id="",
        span_id="",
        service="shop",
        texts=texts,
        literals={},
    )
    found = read_fingerprint(record, prefix)
    assert found.patch == {"status": '"packed"'}
    assert found.data == {"tracelink.trace_id": '"42"'}
