"""How fast OTLP bytes become Arrow rows: native, reference, and protobuf's own parse as the floor.

CPU time of one thread. The ways take turns within each round, so that a change in the machine's
mood hits all of them; the figure is the median of the rounds, the ratio that of the same round.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.figures import median_of, single
from bench.samples import RECORDS, REQUEST_TYPES, START_NS, requests
from clew.app.machine import keep_large_blocks
from clew.telemetry.otlp.decode import DecoderName, NativeDecoder, decoder_name
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.machine import Session
    from clew.store.decoder import Decoder

POOL: Final = 16
"""Distinct requests, so that no cache holds all of one input: 4 MB of spans."""

BATCH: Final = 100
"""Requests for each `finish`: 50 000 rows, what the pipeline flushes at once under load."""

RECEIVED_NS: Final = START_NS + 86_400 * 10**9


def run(session: Session) -> None:
    """Measure the decoders of the three signals, with the allocator set as the server sets it."""
    keep_large_blocks()
    rounds = 5 if session.quick else 15
    for signal in Signal:
        _measure(session, signal, rounds)


def _measure(session: Session, signal: Signal, rounds: int) -> None:
    bodies = requests(signal, POOL)
    session.add(
        f"decode.{signal}.bytes_per_record",
        single(sum(map(len, bodies)) / (POOL * RECORDS), "B"),
    )
    parse = REQUEST_TYPES[signal].FromString
    ways: dict[str, Callable[[], int]] = {
        "upb_parse_only": lambda: _parse(parse, bodies),
        "reference": lambda: _decode(ReferenceDecoder(signal), bodies[:2], 1),
    }
    if decoder_name() is DecoderName.NATIVE:
        ways["native"] = lambda: _decode(NativeDecoder(signal), bodies, BATCH)
        ways["native_request_by_request"] = lambda: _decode(NativeDecoder(signal), bodies, 1)
    else:
        session.note(f"decode.{signal}: the native decoder is not installed, so it is not here")
    rates = _rates(ways, rounds)
    for way, values in rates.items():
        session.add(f"decode.{signal}.{way}.records_per_cpu_s", median_of(values, "1/CPU-s"))
        if way != "upb_parse_only":
            floor = rates["upb_parse_only"]
            ratios = [value / base for value, base in zip(values, floor, strict=True)]
            session.add(f"decode.{signal}.{way}.of_upb_parse", median_of(ratios, "x"))


def _rates(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    """Return records per CPU second of each way, round by round, after one round of warming up."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, call in ways.items():
            before = time.process_time()
            records = call()
            spent = time.process_time() - before
            if number:
                rates[way].append(records / spent)
    return rates


def _parse(parse: Callable[[bytes], object], bodies: list[bytes]) -> int:
    for number in range(BATCH):
        parse(bodies[number % POOL])
    return BATCH * RECORDS


def _decode(decoder: Decoder, bodies: list[bytes], requests_per_batch: int) -> int:
    """Decode `BATCH` requests (the reference: a few), taking the rows after every so many."""
    count = BATCH if len(bodies) == POOL else len(bodies)
    accepted = 0
    for number in range(count):
        body = bodies[number % len(bodies)]
        done = decoder.append(body, frame=number, received=RECEIVED_NS, oldest=0)
        accepted += done.accepted
        if (number + 1) % requests_per_batch == 0 or number + 1 == count:
            decoder.finish()
    if accepted != count * RECORDS:
        raise AssertionError(f"kept {accepted} of {count * RECORDS} records")
    return accepted
