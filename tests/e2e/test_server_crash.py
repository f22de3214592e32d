"""The whole server killed under load: what was acknowledged is there once, after every crash."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from clew.testing.load import SPANS_PER_REQUEST, SpanLoad
from clew.testing.server import ServerProcess
from tests.integration.wire import sql

StartServer = Callable[..., ServerProcess]

ROUNDS = int(os.environ.get("CLEW_CRASH_ROUNDS", "4"))
TRACES_PER_PAGE = 5000
SEED = 20261121


def spans_by_trace(server: ServerProcess) -> dict[int, tuple[int, int]]:
    """Return how many spans, and how many different ones, each trace has."""
    found: dict[int, tuple[int, int]] = {}
    after = ""
    while True:
        rows = sql(
            server.url,
            "SELECT TraceId, count() AS n, uniqExact(SpanId) AS different FROM otel_traces"
            f" WHERE TraceId > '{after}' GROUP BY TraceId ORDER BY TraceId LIMIT {TRACES_PER_PAGE}",
            limit=TRACES_PER_PAGE,
        )
        for row in rows:
            found[int(row["TraceId"], 16)] = (int(row["n"]), int(row["different"]))
        if len(rows) < TRACES_PER_PAGE:
            return found
        after = rows[-1]["TraceId"]


@pytest.mark.slow
@pytest.mark.timeout(200 * ROUNDS)
def test_every_acknowledged_span_is_there_exactly_once_after_every_crash(
    start_server: StartServer,
) -> None:
    chance = random.Random(SEED)
    acked: set[int] = set()
    first = 1
    for _ in range(ROUNDS):
        server = start_server()
        with SpanLoad(server.otlp_url, service="crash", first=first) as load:
            # A random number of answers later is a random moment: before, in or after a flush.
            load.wait_for_more(chance.randrange(1, 400))
            server.kill()
        acked |= load.acked
        assert not load.refused
        first = load.next
    found = spans_by_trace(start_server())
    whole = (SPANS_PER_REQUEST, SPANS_PER_REQUEST)
    assert {number for number in acked if found.get(number) != whole} == set()
    # A request that was cut off by a crash may be there too, but whole and once.
    assert set(found.values()) == {whole}
