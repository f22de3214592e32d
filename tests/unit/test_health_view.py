"""How the server is, on a terminal: what is near its limit is told with what to do."""

from __future__ import annotations

from clew.answers.health_documents import (
    Health,
    Limit,
    Loss,
    OwnProcess,
    OwnTelemetry,
    SignalStorage,
    SlowQuestion,
    SlowQuestionReport,
    StorageReport,
)
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.commands.health import first_of_each
from clew.surfaces.cli.grid import render
from clew.surfaces.cli.servers import ServerReport, ServerState
from clew.surfaces.cli.views.health import health_lines

AT = "2026-11-20T10:00:00.000000000Z"

FOUND = Health(
    at=AT,
    process=OwnProcess(
        version="1.0",
        pid=7,
        started_at=AT,
        uptime_seconds=90.0,
        cpu_seconds=2.0,
        resident_bytes=1 << 20,
        threads=3,
    ),
    limits=[
        Limit(
            name="log",
            title="the log",
            unit="bytes",
            used=900.0,
            max=1000.0,
            share=0.9,
            state="near",
            setting="--log-bytes-max",
            advice="send less",
        ),
        Limit(
            name="rate",
            title="requests in a second",
            unit="per_second",
            used=3.0,
            max=None,
            share=None,
            state="ok",
            setting="--rate",
            advice="slow down",
        ),
    ],
    storage=StorageReport(
        measured_at=AT,
        signals=[
            SignalStorage(
                signal="traces", rows=12, bytes=2048, uncompressed_bytes=4096, index_bytes=512
            )
        ],
        tables=[],
        rows=12,
        bytes=2048,
        log_bytes=0,
        registry_bytes=None,
        disk_free_bytes=1 << 30,
    ),
    questions=SlowQuestionReport(
        threshold_ms=500.0,
        seen=1,
        newest=[],
        slowest=[
            SlowQuestion(
                at=AT,
                method="GET",
                route="/api/v1/sql",
                asked="q=SELECT\x1b[31m 1",
                caller="key:ann",
                duration_ms=1500.0,
                status=504,
            )
        ],
    ),
    losses=[
        Loss(signal="logs", outcome="malformed", reason="unreadable", count=3, last_at=AT),
    ],
    own=OwnTelemetry(
        interval_seconds=15.0, retention_seconds=259_200, records=1, failures=0, last_at=AT
    ),
)


GROUP = ServerReport(
    kind="group",
    ok=False,
    asked="http://b",
    leader="http://a",
    epoch=3,
    required_acks=1,
    have_all=1,
    servers=[
        ServerState(url="http://a", ok=True, state="leads", role="leader", epoch=3, has=9),
        ServerState(
            url="http://b", ok=False, state="behind", role="standby", behind=4, detail="catching up"
        ),
    ],
    count=2,
    total=2,
)


def shown(width: int, servers: ServerReport | ClewError | None = None) -> str:
    lines = health_lines(FOUND, width, questions=5, servers=servers)
    return "\n".join(render(line, colour=False) for line in lines)


def test_what_is_near_is_told_with_what_to_do_and_what_nobody_set_is_not() -> None:
    text = shown(120)
    assert "90.0 %" in text
    assert "the log: send less" in text
    assert "requests in a second" not in text
    for part in ("traces", "2.0 KiB", "1.50 s", "504", "key:ann", "unreadable", "1 record since"):
        assert part in text, part
    assert "\x1b" not in text


def test_the_servers_beside_it_are_told_and_why_they_are_not() -> None:
    for width in (80, 120):
        text = shown(width, GROUP)
        assert "http://a leads under epoch 3" in text
        assert "http://b: catching up" in text
        assert max(map(len, text.splitlines())) <= width
    refused = ClewError(ErrorCode.FORBIDDEN, "only an admin may\x1b[31m")
    assert "were not told: only an admin may" in shown(80, refused)
    assert "\x1b" not in shown(80, refused)
    assert "leads" not in shown(80)


def test_a_query_tier_is_said_to_keep_nothing() -> None:
    tier = ServerReport(kind="shards", ok=True, asked="x", servers=[], count=0, total=0)
    text = shown(100, tier)
    assert "nothing here: its shards keep it" in text
    assert "registry" not in text
    assert "on disk" not in text


def test_a_narrow_terminal_keeps_what_matters() -> None:
    text = shown(60)
    assert "90.0 %" in text
    assert "2026-11-20" not in text


def test_a_budget_keeps_the_first_of_each_list() -> None:
    none = first_of_each(FOUND, 0)
    assert (none.limits, none.losses, none.questions.slowest) == ([], [], [])
    assert first_of_each(FOUND, 1).limits == FOUND.limits[:1]
