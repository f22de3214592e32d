"""Whatever a program does to an object, the fold of what it said of it is the object.

The way is the real one: records of OpenTelemetry's SDK, encoded by its exporter, decoded by the
server's decoder, read as fingerprints, shuffled and doubled, folded by the definition.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

from clew.app.fingerprints import read_records
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import LOGS
from clew.twin.blueprint.entity import schema_of
from clew.twin.context import TriLogLogger, anchor, tracked
from clew.twin.dsl import Boolean, Dict, Float, Integer, List, Object, Reference, String, Timestamp
from clew.twin.events import Event
from clew.twin.fold import fold
from clew.twin.ingest.fingerprint import read_fingerprint
from clew.twin.logger.logger import read_state
from clew.twin.schema.conversion import from_attribute, redact
from tests.emitted import Emitted


class Thing(Object):
    """A field of every kind."""

    whole = Integer(default=1)
    number = Float(default=0.5)
    text = String(default="")
    truth = Boolean()
    entries = List()
    texts = List(String())
    mapping = Dict({"inner": Integer(), "secret": String(sensitive=True)})
    moment = Timestamp()
    whom = Reference("Thing")
    secret = String(sensitive=True)


FIELDS = schema_of(Thing).fields

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
WHOLES = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLES | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": WHOLES,
    "number": NUMBERS,
    "text": TEXTS,
    "truth": st.booleans(),
    "entries": st.lists(JSON, max_size=4),
    "texts": st.lists(TEXTS, max_size=4),
    "mapping": st.fixed_dictionaries({}, optional={"inner": WHOLES, "secret": TEXTS, "free": JSON}),
    "moment": st.datetimes(),
    "whom": TEXTS,
    "secret": TEXTS,
}
ASSIGNMENTS = st.one_of(
    [st.tuples(st.just(name), st.none() | values) for name, values in VALUES.items()]
)
STEPS = st.one_of(
    st.tuples(st.just("assign"), ASSIGNMENTS),
    st.tuples(st.just("say"), ASSIGNMENTS),
    st.tuples(st.just("block"), st.lists(ASSIGNMENTS, max_size=4)),
    st.tuples(st.just("append"), JSON),
    st.tuples(st.just("noise"), ASSIGNMENTS),
    st.tuples(st.just("snapshot"), st.none()),
    st.tuples(st.just("anew"), st.none()),
)


def perform(step: tuple[str, Any], thing: Thing, log: TriLogLogger) -> None:
    """Do one thing to the object, and let it be told of."""
    kind, given_ = step
    match kind:
        case "assign":
            setattr(tracked(thing, log), *given_)
        case "say":
            name, value = given_
            setattr(thing, name, value)
            with anchor("t", Thing):
                log.state_change({name: value})
        case "block":
            with tracked(thing, log):
                for name, value in given_:
                    setattr(thing, name, value)
        case "append":
            with tracked(thing, log):
                thing.entries = thing.entries or []
                thing.entries.append(given_)
        case "noise":
            name, value = given_
            with anchor(thing):
                log.event(name, **{name: value, f"thing.{name}": value})
                log.info("words", **{f"thing.{name}": value})
        case "snapshot":
            log.snapshot(thing)
        case "anew":
            log.deleted(thing)
            log.created(thing)


def receive(emitted: Emitted) -> list[Event]:
    """Return what a server reads of what was emitted."""
    records = emitted.exporter.get_finished_logs()
    emitted.exporter.clear()
    decoder = open_decoder(Signal.LOGS)
    now = time.time_ns()
    decoder.append(encode_logs(records).SerializeToString(), frame=1, received=now, oldest=0)
    found = [
        (record, read_fingerprint(record, "thing"))
        for record in read_records(decoder.finish()[LOGS.name], now)
    ]
    return [
        Event(
            at=record.at,
            seq=print_.seq,
            event_id=print_.event_id,
            type=print_.type,
            obj_type=print_.obj_type,
            obj_id=print_.obj_id,
            patch={
                name: from_attribute(FIELDS[name], msgspec.json.decode(value))
                for name, value in print_.patch.items()
            },
        )
        for record, print_ in found
    ]


def values_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without nulls that the default is as well: nothing differs for a reader."""
    return {
        name: value
        for name, value in state.items()
        if value is not None or FIELDS[name].default is not None
    }


@given(
    st.lists(STEPS, max_size=12), st.randoms(use_true_random=False), st.sampled_from([None, "off"])
)
def test_the_fold_of_what_was_said_is_the_object(
    steps: list[tuple[str, Any]], chance: Any, validation: Any
) -> None:
    emitted = Emitted()
    log = TriLogLogger("x", validation=validation or "raise", provider=emitted.provider)
    thing = Thing("t")
    log.created(thing)
    for step in steps:
        perform(step, thing, log)
        # Tracking by assignment ends with its step.
        thing.__dict__.pop("_observer", None)
    events = receive(emitted)
    assert log.failures == 0
    doubled = events + chance.sample(events, len(events) // 2)
    chance.shuffle(doubled)
    folded = fold(doubled)
    wanted = {name: redact(FIELDS[name], value) for name, value in read_state(thing).items()}
    assert folded.exists
    assert values_of(folded.state) == values_of(wanted)
    assert {(each.obj_type, each.obj_id) for each in events} == {("Thing", "t")}
