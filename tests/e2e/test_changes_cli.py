"""Anomalies, differences and log patterns as a person and a program meet them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from clew.surfaces.cli.text import width_of
from tests.e2e.telemetry import Trace
from tests.e2e.terminal import clew, clew_on_terminal

if TYPE_CHECKING:
    from clew.testing.server import ServerProcess

HOSTILE = "\x1b[2Jpay\x07"
HOUR_NS = 3600 * 10**9

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> Trace:
    """Three hours of spans; in the last one, an operation with a hostile name fails."""
    before = Trace("changes-shop", 1)
    before.start_ns -= 3 * HOUR_NS
    for number in range(200):
        before.span(HOSTILE, number * 30_000, number * 30_000 + 5, attributes={"tier": "free"})
        read = before.span("read", number * 30_000, number * 30_000 + 5)
        before.log(f"sold {number} pens", number * 30_000, read)
    before.send(server)
    now = Trace("changes-shop", 2)
    now.start_ns -= HOUR_NS // 2
    for number in range(60):
        is_bad = number % 2 == 0
        now.span(
            HOSTILE,
            number * 10_000,
            number * 10_000 + 5,
            attributes={"tier": "gold" if is_bad else "free"},
            status={"code": 2 if is_bad else 0},
        )
        read = now.span("read", number * 10_000, number * 10_000 + 5)
        now.log(f"card {number} declined", number * 10_000, read, severity=17)
    now.send(server)
    return now


def test_a_fault_is_found_shown_and_led_to(server: ServerProcess, shop: Trace) -> None:
    said = clew("anomalies", "--service", "changes-shop", server=server.url)
    assert said.code == 0, said.stderr
    found = {(each["kind"], each["operation"]) for each in said.document["anomalies"]}
    assert ("error_rate", HOSTILE) in found
    assert ("new_log_pattern", None) in found
    [worst] = [
        each
        for each in said.document["anomalies"]
        if (each["kind"], each["operation"]) == ("error_rate", HOSTILE)
    ]
    assert worst["exemplar_trace_id"] == shop.trace_id
    program, *arguments = shlex.split(worst["query"]["cli"])
    assert program == "clew"
    shown = clew(*arguments, server=server.url)
    assert {each["status"] for each in shown.document["spans"]} == {"error"}
    assert {each["operation"] for each in shown.document["spans"]} == {HOSTILE}


def test_a_difference_names_what_the_failed_spans_have(server: ServerProcess, shop: Trace) -> None:
    said = clew("diff", "--service", "changes-shop", "--last", "1h", server=server.url)
    assert said.code == 0, said.stderr
    first = said.document["values"][0]
    assert (first["key"], first["value"], first["bad_share"]) == ("tier", "gold", 1.0)


def test_patterns_put_equal_logs_together(server: ServerProcess, shop: Trace) -> None:
    said = clew("patterns", "--service", "changes-shop", "--last", "1h", server=server.url)
    assert [(each["pattern"], each["count"]) for each in said.document["patterns"]] == [
        ("card <*> declined", 60)
    ]


@pytest.mark.parametrize("command", ["anomalies", "diff", "patterns"])
def test_on_a_terminal_lines_fit_and_nothing_acts(
    server: ServerProcess, shop: Trace, command: str
) -> None:
    shown = clew_on_terminal(command, "--service", "changes-shop", server=server.url, columns=120)
    assert shown.code == 0
    assert "\x1b[2J" not in shown.stdout
    assert "\x07" not in shown.stdout
    lines = [_COLOUR.sub("", line) for line in shown.lines]
    # A command to copy is never cut.
    assert all(width_of(line) <= 120 for line in lines if not line.startswith("  clew "))


@pytest.mark.parametrize("command", ["anomalies", "diff", "patterns"])
def test_nobody_and_nonsense_have_their_exit_codes(
    server: ServerProcess, shop: Trace, command: str
) -> None:
    assert clew(command, "--service", "changes-nobody", server=server.url).code == 2
    assert clew(command, "--last", "soon", server=server.url).code == 3
    assert clew(command, "--max-tokens", "0", server=server.url).code == 3
